"""Persian articles in any number, different from each other, for tests of the build."""

import random

WORDS = """
معلم کشاورز راننده پزشک نانوا خبرنگار مادربزرگ نویسنده باغبان مهندس بازار رودخانه خانه‌ی پنجره کتابخانه کوچه ایستگاه
نامه‌ها دفتر چراغ کتاب‌های گلدان ساعت عکس‌ها نقشه سبد قدیمی تازه بزرگ کوچک روشن آرام سنگین زیبا خسته جوان دور نزدیک
دیروز امروز فردا زمستان بهار باران برف آفتاب غروب شب صبح هفته سال روز زمان شهر روستا کوه دریا جنگل دشت راه پل مدرسه
می‌گفت می‌رفت می‌آمد می‌دید نمی‌دانست می‌خواست نوشت خواند شنید پرسید گذاشت برداشت فروخت خرید ساخت شکست ماند نشست
"""
SMALL = "و در به از که را با این آن برای هم تا یک بر ولی اگر چون پس هر او ما است بود شد کرد"


def article(seed: int, sentences: int = 14) -> str:
    """One article of a few paragraphs; equal seeds give equal texts."""
    draw = random.Random(seed)
    words, small = WORDS.split(), SMALL.split()
    made = []
    for _ in range(sentences):
        chosen = [draw.choice(small if draw.random() < 0.45 else words) for _ in range(draw.randint(8, 18))]
        made.append(" ".join(chosen) + ".")
    return "\n\n".join(" ".join(made[i : i + 5]) for i in range(0, sentences, 5))


def articles(count: int, seed: int = 0) -> list[str]:
    return [article(seed * 100_003 + i) for i in range(count)]
