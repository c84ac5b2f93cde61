"""Articles in Persian and Estonian from a small grammar of our own: any number, all different, equal for equal seeds.

Sentences are grammatical as far as a few hundred words go, and mean little. Persian ones are full of joiners.
"""

import random
import re
from collections.abc import Sequence
from dataclasses import dataclass

JOINER = "\u200c"


@dataclass(frozen=True)
class Article:
    """A title and paragraphs, each one line."""

    title: str
    paragraphs: tuple[str, ...]

    @property
    def text(self) -> str:
        return "\n\n".join(self.paragraphs)


def words(text: str) -> list[str]:
    """The words of a text; ~ stands for a space inside of one."""
    return text.split()


FA_PEOPLE = words("""
معلم کشاورز راننده پزشک نانوا خبرنگار مادربزرگ نویسنده باغبان مهندس نجار خیاط شاعر کتابدار ماهیگیر چوپان نقاش
دانشجو پستچی آشپز خلبان مترجم عکاس کارگر پرستار آهنگر بافنده قصه‌گو همسایه مسافر
""")
FA_THINGS = words("""
پنجره نامه دفتر چراغ کتاب گلدان ساعت عکس نقشه سبد صندلی فرش کوزه درخت دیوار جعبه آینه قالیچه دوچرخه کلید پارچه
قایق چتر طناب شمع کاغذ روزنامه ظرف پرده میز سیب انار گندم زنبیل بادبادک تابلو قلم ترازو
""")
FA_PLACES = words("""
شیراز تبریز یزد اصفهان کرمان رشت بازار کتابخانه ایستگاه مدرسه روستا باغ کارگاه موزه بندر کوچه میدان حیاط آسیاب
بیمارستان دانشگاه مسجد کاروانسرا نمایشگاه جنگل ساحل کوهستان دشت
""")
FA_QUALITIES = words("""
قدیمی تازه بزرگ کوچک روشن آرام سنگین زیبا جوان مهربان ساده گران کمیاب پرحوصله رنگارنگ چوبی بلند باریک شکسته
خوش‌بو کم‌نظیر ناشناس دورافتاده پرکار خوش‌نام
""")
FA_TIMES = words("""
دیروز امروز~صبح پریروز هر~هفته در~زمستان در~بهار سال~گذشته پس~از~باران پیش~از~غروب در~نیمه‌شب
آن~روزها در~تعطیلات گاهی این~روزها هر~بامداد در~روزهای~سرد تا~دیروقت
""")
FA_TRANSITIVE = [
    ("می‌خواند", "نمی‌خواند"), ("می‌نویسد", "نمی‌نویسد"), ("می‌بیند", "نمی‌بیند"), ("می‌خرد", "نمی‌خرد"),
    ("می‌فروشد", "نمی‌فروشد"), ("می‌سازد", "نمی‌سازد"), ("می‌شوید", "نمی‌شوید"), ("پیدا می‌کند", "پیدا نمی‌کند"),
    ("تعمیر می‌کند", "تعمیر نمی‌کند"), ("نگه می‌دارد", "نگه نمی‌دارد"), ("می‌شناسد", "نمی‌شناسد"),
    ("به یاد می‌آورد", "به یاد نمی‌آورد"), ("برمی‌دارد", "برنمی‌دارد"), ("نشان می‌دهد", "نشان نمی‌دهد"),
    ("می‌آورد", "نمی‌آورد"), ("رنگ می‌زند", "رنگ نمی‌زند"), ("جابه‌جا می‌کند", "جابه‌جا نمی‌کند"),
    ("می‌بخشد", "نمی‌بخشد"), ("پنهان می‌کند", "پنهان نمی‌کند"), ("می‌شمارد", "نمی‌شمارد"),
]  # fmt: skip
FA_INTRANSITIVE = words("""
می‌خندد راه~می‌رود می‌ماند برمی‌گردد می‌نشیند سفر~می‌کند گوش~می‌دهد حرف~می‌زند می‌خوابد کار~می‌کند زندگی~می‌کند
آواز~می‌خواند منتظر~می‌ماند به~خانه~می‌رسد خسته~می‌شود نفس~می‌کشد
""")
FA_ADVERBS = words("""
آهسته با~حوصله بی‌صدا با~دقت به‌سرعت دوباره همیشه به‌تنهایی با~لبخند بی‌درنگ با~احتیاط هنوز ناگهان
""")

EE_PEOPLE = [
    ("õpetaja", "õpetajat"), ("kalur", "kalurit"), ("arst", "arsti"), ("pagar", "pagarit"), ("kirjanik", "kirjanikku"),
    ("vanaema", "vanaema"), ("aednik", "aednikku"), ("puusepp", "puuseppa"), ("luuletaja", "luuletajat"),
    ("naaber", "naabrit"), ("reisija", "reisijat"), ("maalikunstnik", "maalikunstnikku"), ("üliõpilane", "üliõpilast"),
    ("kokk", "kokka"), ("tõlkija", "tõlkijat"), ("fotograaf", "fotograafi"), ("sepp", "seppa"), ("kuduja", "kudujat"),
    ("metsavaht", "metsavahti"), ("postiljon", "postiljoni"), ("mesinik", "mesinikku"), ("kapten", "kaptenit"),
]  # fmt: skip
EE_THINGS = words("""
akent kirja vihikut lampi raamatut lillepotti kella pilti kaarti korvi tooli vaipa kannu puud seina kasti
peeglit jalgratast võtit kangast paati vihmavarju köit küünalt paberit ajalehte kaussi kardinat lauda õuna leiba
tuulelohet maali sulepead kaalu vankrit viiulit kindaid mütsi silda
""")
EE_PLACES = words("""
koolis metsas linnas turul sadamas raamatukogus aias köögis jaamas muuseumis töökojas mere~ääres külas Tartus
Pärnus Viljandis Võrus Haapsalus Narvas saarel mäe~otsas jõe~kaldal ülikoolis teatris veskis taluõuel
""")
EE_QUALITIES = [
    ("vana", "vana"), ("noor", "noort"), ("suur", "suurt"), ("väike", "väikest"), ("ilus", "ilusat"),
    ("punane", "punast"), ("vaikne", "vaikset"), ("tark", "tarka"), ("lihtne", "lihtsat"), ("kallis", "kallist"),
    ("hele", "heledat"), ("raske", "rasket"), ("tundmatu", "tundmatut"), ("lõbus", "lõbusat"), ("kauge", "kauget"),
    ("kitsas", "kitsast"), ("uus", "uut"), ("hoolas", "hoolsat"),
    ("haruldane", "haruldast"), ("värviline", "värvilist"),
]  # fmt: skip
EE_TIMES = words("""
eile täna~hommikul üleeile igal~nädalal talvel kevadel eelmisel~aastal pärast~vihma enne~päikeseloojangut
neil~päevil pühade~ajal mõnikord varahommikul külmadel~päevadel hilisõhtuni sageli
""")
EE_TRANSITIVE = [
    ("loeb", "loe"), ("ostab", "osta"), ("müüb", "müü"), ("ehitab", "ehita"), ("vaatab", "vaata"), ("otsib", "otsi"),
    ("kirjeldab", "kirjelda"), ("parandab", "paranda"), ("mäletab", "mäleta"), ("joonistab", "joonista"),
    ("uurib", "uuri"), ("hoiab", "hoia"), ("puhastab", "puhasta"), ("kannab", "kanna"), ("näitab", "näita"),
    ("kingib", "kingi"), ("peidab", "peida"), ("värvib", "värvi"), ("kiidab", "kiida"), ("ootab", "oota"),
]  # fmt: skip
EE_INTRANSITIVE = words("""
naerab jalutab istub reisib kuulab räägib magab töötab elab laulab ootab väsib puhkab vaikib
""")
EE_ADVERBS = words("""
aeglaselt kannatlikult vaikselt hoolega kiiresti jälle alati üksinda naeratades ettevaatlikult äkki
""")


def _capital(text: str) -> str:
    """A sentence's beginning; scripts without capitals stay."""
    return text[0] + text[1].upper() + text[2:] if text.startswith("„") else text[:1].upper() + text[1:]


def _fa_linked(noun: str) -> str:
    """A noun before what describes it."""
    if noun.endswith("ه") and not noun.endswith("اه"):
        return noun + JOINER + "ی"
    return noun + "ی" if noun.endswith(("ا", "و")) else noun


def _fa_many(noun: str) -> str:
    """A noun in the plural: a joiner where the last letter would run into the ending."""
    return noun + ("" if noun[-1] in "ادذرزژو" else JOINER) + "ها"


class Grammar:
    """Sentences from one article's choice of words. A form's names in braces are this class's methods."""

    people: Sequence[object]
    things: Sequence[str]
    places: Sequence[str]
    forms: tuple[str, ...]

    def __init__(self, draw: random.Random) -> None:
        self.draw = draw
        self.people = draw.sample(self.people, 9)
        self.things = draw.sample(self.things, 16)
        self.places = draw.sample(self.places, 9)

    def pick(self, words: Sequence[str]) -> str:
        return self.draw.choice(words).replace("~", " ")

    def filled(self, form: str) -> str:
        return re.sub(r"\{(\w+)\}", lambda match: getattr(self, match[1])(), form)

    def sentence(self) -> str:
        return _capital(self.filled(self.draw.choice(self.forms)))


class Persian(Grammar):
    people, things, places = FA_PEOPLE, FA_THINGS, FA_PLACES
    forms = (
        "{time} {who} {where} {what} را {does}.",
        "{who} {how} {acts} و {who} {what} را {does}.",
        "به گفته‌ی {who}، {what} را کسی {where} {denies}.",
        "اگرچه {who} {what} را {denies}، {who} {where} {acts}.",
        "وقتی که {who} {acts}، {what} را {how} {does}.",
        "{time} هم {what} را {does} و هم برای {who} {what} {gives}.",
        "آیا {who} می‌داند که {who} {where} {what} را {does}؟",
        "«{what} را {how} {does}»، این را {who} {where} به ما گفت.",
    )

    def who(self) -> str:
        person = self.pick(self.people)
        return f"{_fa_linked(person)} {self.pick(FA_QUALITIES)}" if self.draw.random() < 0.5 else person

    def what(self) -> str:
        thing = self.pick(self.things)
        if self.draw.random() < 0.4:
            return f"{_fa_many(thing)}ی {self.pick(FA_QUALITIES)}"
        return f"{_fa_linked(thing)} {self.pick(FA_QUALITIES)}" if self.draw.random() < 0.6 else _fa_many(thing)

    def where(self) -> str:
        place = self.pick(self.places)
        return f"در {_fa_linked(place)} {self.pick(FA_QUALITIES)}" if self.draw.random() < 0.3 else f"در {place}"

    def time(self) -> str:
        return self.pick(FA_TIMES)

    def how(self) -> str:
        return self.pick(FA_ADVERBS)

    def does(self) -> str:
        return self.draw.choice(FA_TRANSITIVE)[0]

    def denies(self) -> str:
        return self.draw.choice(FA_TRANSITIVE)[1]

    def acts(self) -> str:
        return self.pick(FA_INTRANSITIVE)

    def gives(self) -> str:
        return self.pick(("می‌برد", "می‌فرستد", "می‌خرد"))

    def title(self) -> str:
        return self.filled("{who} و {what} {where}")


class Estonian(Grammar):
    people, things, places = EE_PEOPLE, EE_THINGS, EE_PLACES
    forms = (
        "{time} {does} {who} {where} {what}.",
        "{who} {does} {what}, sest {who} {acts} {where}.",
        "kui {who} {what} {does}, siis {acts} ka {who}.",
        "{where} {does} {who} {what}, kuid {who} ei {denies} seda {time}.",
        "me teame, et {who} {does} {what} {how} ja {who} {acts} {where}.",
        "kas {who} on see, kes {time} {what} {where} {does}?",
        "„{time} {does} ta {what} {how},“ ütles {who} {where}.",
        "nii {does} {who} {how} {what} ning {what}, aga mitte {what}.",
    )

    def who(self) -> str:
        person = self.draw.choice(self.people)[0]
        return f"{self.draw.choice(EE_QUALITIES)[0]} {person}" if self.draw.random() < 0.5 else person

    def what(self) -> str:
        if self.draw.random() < 0.15:
            return f"{self.draw.choice(EE_QUALITIES)[1]} {self.draw.choice(self.people)[1]}"
        thing = self.pick(self.things)
        return f"{self.draw.choice(EE_QUALITIES)[1]} {thing}" if self.draw.random() < 0.6 else thing

    def where(self) -> str:
        return self.pick(self.places)

    def time(self) -> str:
        return self.pick(EE_TIMES)

    def how(self) -> str:
        return self.pick(EE_ADVERBS)

    def does(self) -> str:
        return self.draw.choice(EE_TRANSITIVE)[0]

    def denies(self) -> str:
        return self.draw.choice(EE_TRANSITIVE)[1]

    def acts(self) -> str:
        return self.pick(EE_INTRANSITIVE)

    def title(self) -> str:
        return _capital(self.filled("{who} {does} {what} {where}"))


GRAMMARS = {"fa": Persian, "et": Estonian}


def article(language: str, seed: str, *, paragraphs: tuple[int, int] = (5, 9)) -> Article:
    """The article of a seed."""
    draw = random.Random(seed)
    grammar = GRAMMARS[language](draw)
    title = grammar.title()
    made = []
    for _ in range(draw.randint(*paragraphs)):
        made.append(" ".join(grammar.sentence() for _ in range(draw.randint(3, 6))))
    return Article(title, tuple(made))
