"""Good text of other kinds than articles stays, and the junk that looks like it goes: both sides of each sign."""

from functools import cache

import numpy as np
import pytest

from ulmkit.corpus.filters import judge, without_boilerplate, words_with_letter
from ulmkit.corpus.genre import (
    breaks_off,
    ends_sentence,
    listed,
    refrain,
    rhymed,
    sentence_end,
    stand_over_new,
    without_chords,
)
from ulmkit.corpus.page import Page
from ulmkit.corpus.shingles import WordHasher
from ulmkit.language.registry import get
from ulmkit.text.addresses import without_addresses

HASHER = WordHasher()


@cache
def verdict(code: str, text: str) -> str:
    language = get(code)
    return judge(Page.of(language.normalize(text), language, HASHER)).reason


FREE_VERSE = """\
کوچه را برف
بی‌صدا پر کرد
و من
از پشت شیشه
دنبال ردّ پای تو گشتم

تو رفته بودی
با چمدانی کوچک
که در آن
جز چند نامه
و یک عکس کهنه
چیزی نبود

حالا
هر شب
که چراغ همسایه خاموش می‌شود
به یاد می‌آورم
که باران هم
روزی
از همین ناودان
با ما حرف می‌زد
"""
SONG = """\
Ma kõndisin mööda randa
ja vaatasin lainete teed
kui tuul hakkas laulu kandma
siis vaikisid kaugel veed

Oh tule mu juurde tagasi
ja istu mu kõrvale siin
ma ootan sind veel kui sügisel
on lahkunud viimane piin

Ma kuulsin kuidas kajakad
su nime hüüdsid mu eel
ja lained mis liivale jooksid
ei peatunud poolel teel

Oh tule mu juurde tagasi
ja istu mu kõrvale siin
ma ootan sind veel kui sügisel
on lahkunud viimane piin

Nüüd istun ma üksi paadis
ja kuulan kuis vaibub maa
kui hommik sind mulle ei too
siis merele lähen ma

Oh tule mu juurde tagasi
ja istu mu kõrvale siin
ma ootan sind veel kui sügisel
on lahkunud viimane piin
"""
MENU_IN_GROUPS = """\
درباره ما
تماس با ما
همکاری با ما
فرصت‌های شغلی

اخبار ایران
اخبار جهان
اخبار ورزشی
اخبار هنری

گوشی و تبلت
لوازم خانگی
پوشاک زنانه
پوشاک مردانه
کفش و کیف

سبد خرید
پیگیری سفارش
شرایط بازگرداندن کالا
راهنمای خرید
روش‌های پرداخت
پرسش‌های متداول
نقشهٔ سایت
"""
RECIPE = """\
Seenesupp

Koostisosad:
300 g kukeseeni
2 sibulat
3 kartulit
1 porgand
2 dl koort
1 l vett
soola ja pipart

Valmistamine:
Puhasta seened ja lõika suuremad pooleks.
Haki sibul ning prae võis klaasjaks.
Lisa seened ja kuumuta kümme minutit.
Vala juurde vesi, pane kartulid ja keeda pehmeks.
Lõpuks sega hulka koor ja maitsesta.
"""
AMOUNTS = """\
Kaalikasupp

1 kg kaalikat
2 porgandit
1 sibul
3 küüslauguküünt
½ l puljongit
- 2 dl koort
soola, pipart
peotäis seemneid

Koori kaalikas ja lõika kuubikuteks. Haki sibul.
Prae potis sibul klaasjaks. Lisa kaalikas ja kuumuta.
Vala peale puljong ja keeda, kuni kaalikas on pehme.
Rösti seemned kuival pannil ja puista supile.
"""
PRODUCTS = """\
Tooted:
Kummikud 39
Kummikud 40
Matkasaapad
Vihmajope sinine
Vihmajope punane
Seljakott 20 l
Seljakott 30 l
Magamiskott
Telk kahele
Telk neljale
Priimus
Termos 1 l
Taskulamp
Kompass
Päikeseprillid ja müts
Kindad, sallid ja sokid
Sandaalid ja sussid
"""
PLAY = "\n".join(
    f"{name}: {said}"
    for name, said in zip(
        ["PEETER", "LIINA"] * 9,
        ["Kas uks on lukus?", "On küll.", "Ja võti?", "Minu käes.", "Anna siia.", "Ei anna.", "Miks sa ei anna?",
         "Sest sa lähed ära.", "Ma ei lähe.", "Eile läksid.", "Eile oli muu asi.", "Mis asi see oli?",
         "Vend oli haige.", "Sul ei ole venda.", "On ikka.", "Kus ta siis elab?", "Tartus.", "Seda ma ei usu."],
        strict=True,
    )
)  # fmt: skip
SPEAKERS = "\n".join(f"{name}: {number} häält" for number, name in enumerate("ABCDEFGHIJKLMNOPQRSTUVWXYZÕÄÖÜ" * 2))
STATUTE = """\
مادهٔ ۱ – انجمن سالی دو بار گرد می‌آید و دبیر آن را دعوت می‌کند.
مادهٔ ۲ – هر عضو می‌تواند پیشنهاد خود را بنویسد و به دبیر بسپارد.
۱ – پیشنهاد باید امضا داشته باشد.
۲ – پیشنهادی که رد شود تا یک سال دوباره خوانده نمی‌شود.
مادهٔ ۳ – هزینه‌ها را همهٔ اعضا با هم می‌پردازند.
مادهٔ ۴ – این آیین‌نامه را همه خوانده‌اند و پذیرفته‌اند.
"""
FIXTURES = "\n".join(
    f"{hour}:30 ، {one} – {other} ، ورزشگاه {number}"
    for number, (hour, one, other) in enumerate(
        [(15, "فولاد", "پیکان"), (16, "سپاهان", "ملوان"), (17, "تراکتور", "سایپا"), (18, "نفت", "ذوب‌آهن"),
         (15, "استقلال", "گسترش"), (16, "پرسپولیس", "پدیده"), (17, "سیاه‌جامگان", "صبا"), (18, "ماشین‌سازی", "صنعت")]
    )
)  # fmt: skip
ONE_LINE = (
    "پل تازه روی رودخانه پس از دو سال ساخته شد و از فردا خودروها از آن می‌گذرند. شهردار می‌گوید که این پل راه روستاهای "
    "آن سوی رود را یک ساعت کوتاه می‌کند. مردم هم جشن گرفتند و تا شب کنار آب ماندند. به گفتهٔ مهندسان ساخت پل دوم نیز از "
    "بهار آینده آغاز می‌شود و تا سه سال دیگر که"
)
MENU_IN_ONE_LINE = (
    "صفحه نخست افغانستان منطقه امریکا جهان زنان جوانان صحت سرمقاله زبان‌ها جستجو زنده قبل بعد عکس‌های انتخابی ویدیو "
    "پادکست خبرنامه تماس برنامه‌ها رادیو تلویزیون آرشیف ورزش فرهنگ هنر موسیقی فلم کتاب اقتصاد تجارت ساینس تکنالوژی محیط "
    "مهاجرت پناهندگان انتخابات قانون حقوق بشر معارف دانشگاه بورسیه کار معاش خانه صنعت زراعت"
)
COMMENT = (
    "من این گوشی را دو ماه است که دارم و ازش راضی‌ام فقط باتری‌اش یک روز هم دوام نمی‌آورد ولی دوربینش در شب خیلی خوب است "
    "و با این قیمت چیز بهتری پیدا نمی‌کنید به نظرم اگر بازی نمی‌کنید بخرید که ارزشش را دارد"
)
SPEECH = "\n".join(
    ["— Ma ei tea… ehk homme… ja siis…", "— Mis homme? Sa ütlesid ju, et täna…", "— Ütlesin küll… aga ema… ja isa ka…",
     "— Ema on kodus! Ma ise nägin teda aknal ja…", "— Sa eksid… see oli keegi muu… või siis vari…",
     "Ta vaikis ja vaatas, kuidas valgus majas kustus."]
)  # fmt: skip
TEASERS = "\n".join(
    ["Minister lubas homme rääkida sellest, kuidas…", "Lumi tuleb sel aastal varem ja põllumehed…",
     "Uus film jõuab kinodesse enne jõule, kuid…", "Linnapea ütles, et sild saab valmis siis, kui…",
     "Õpetajad ootavad palgatõusu ja ei usu, et…", "Teadlased leidsid järvest kala, mida keegi…"]
)  # fmt: skip
NEWS = (
    "Sadamas avati uus kai suurte laevade jaoks\n"
    "Sadamas avati reedel uus kai suurte laevade jaoks, mis maksis viis miljonit eurot.\n"
    "Sadama juht ütles, et uus kai suurte laevade jaoks toob linna rohkem reisijaid ja ka tööd. Esimene laev tuleb "
    "juba maikuus ning sellega saabub ligi kaks tuhat inimest, kes tahavad näha vanalinna ja randa."
)
SAID_TWICE = " ".join([NEWS.split("\n")[2]] * 2)
KEYWORDS = " ".join(
    f"Meie poest leiad kõige odavama {thing} ja see on hea."
    for thing in ("kapi", "laua", "tooli", "voodi", "lambi", "vaiba", "riiuli", "kummuti")
)
DIVIDED = "\n".join(
    line
    for sentence in [
        "Vanaisa istus akna all ja parandas võrku.", "Poiss tõi talle kuumi kartuleid ning soola.",
        "Õues hakkas tuul üles tõusma, aga keegi ei märganud.", "Ema pani lambi põlema ja ootas isa koju.",
        "Hommikul oli meri jälle sile nagu peegel.", "Paadid läksid välja enne, kui päike tõusis.",
    ]
    for line in ("* * *", sentence)
)  # fmt: skip

INTERVIEW = "\n".join(
    ["Vana meister räägib oma tööst", "- Kuidas te alustasite?", "- Isa andis mulle haamri ja ütles, et katsu ise.",
     "- Ja kas õnnestus?", "- Ei õnnestunud, aga ma ei jätnud järele.", "- Mida te praegu teete?",
     "- Parandan kelli ja õpetan noori, kes tahavad seda tööd teha.", "- Kas neid on palju?",
     "- Kaks, ja mõlemad on head."]
)  # fmt: skip
RHYMED = "\n".join(
    f"{one}\n{other} می‌رود آرام و باز"
    for one, other in [
        ("باد پاییزی درخت باغ لرزاند و گذشت", "برگ زردی روی آب سرد"),
        ("کاروان خسته بار خویش بربست و نشست", "ماه تنها پشت کوه دور"),
        ("مرغ شب خاموش شد بر شاخه‌های بی‌ثمر", "آب چشمه پای بید پیر"),
        ("خانه‌ها تاریک ماند و کوچه‌ها بی‌رهگذر", "سایه‌ای آهسته زیر سقف"),
        ("دل گرفت امشب برای روزگار کودکی", "عمر ما چون ابر این صحرا"),
        ("شعر گفتم تا مگر یادش بماند پیش ما", "واژه‌ها از دفتر یار من"),
    ]
)  # fmt: skip
MANUAL = "\n".join(
    f"Paigaldamine\n{step}\nMärkus\nKui midagi {fault}, siis alusta algusest ja vaata juhendit."
    for step, fault in [
        ("Ava karp ja võta seade välja.", "puudub"), ("Ühenda juhe ja oota, kuni tuli põleb.", "ei tööta"),
        ("Vajuta nuppu ja hoia seda all.", "piiksub"), ("Sulge kaas ning keera kruvid kinni.", "jääb üle"),
    ]
)  # fmt: skip
QUOTED = (
    "پیر ده هر شب کنار آتش می‌نشست و برای بچه‌ها از روزهای دور می‌گفت و هیچ‌کس نمی‌دانست که آن قصه‌ها راست است یا نه و "
    "گاهی هم این شعر را زیر لب می‌خواند\n"
    "که روزی دل ما هم آرام بود\nبه هر خانه نان بود و بادام بود\nاز آن روزگاران چه ماند به جا\n"
    "به جز آتشی سرد و چند آشنا\nکه می‌دانم امشب ز ره می‌رسند\nو از باغ همسایه گل می‌چیند"
)
RECORD = (
    "Kohtu ette tuli talumees Aadu Mets ja kaebas, et naabri hobused on tema kaera ära söönud ja ta nõuab selle eest "
    "kolm rubla. Naaber ütles, et aed oli katki ja hobused ei ole süüdi. Kohus mõistis, et naaber maksab ühe rubla ja "
    "mõlemad "
    "parandavad aia enne jaanipäeva ära. Otsus sai mõlemale ette loetud ja nad jäid sellega rahule.\n"
    "Peakohtumees\nMart Kask\nKõrvamees\nJüri Lepp\nKõrvamees\nTõnu Saar\nKirjutaja\nHans Pärn"
)
BROKEN = "\n".join(
    ["Vald tahab järgmisel aastal teha uue tee, mis viib sadamast otse linna, aga raha on selleks",
     "veel vähe. Vallavanem loodab, et riik aitab. Kui abi ei tule, siis jääb töö kahe aasta taha",
     "ja inimesed peavad sõitma edasi vana silla kaudu. Sild on kitsas. Kevadel käisid seda vaatamas",
     "insenerid ja ütlesid, et see peab vastu veel viis aastat. Pärast seda tuleb ehitada uus, sest",
     "vana ei saa enam parandada. Kõik ootavad nüüd, mida volikogu sügisel otsustab ja kui palju see",
     "maksma läheb. Eile räägiti sellest ka poe ees. Mehed arvasid, et enne tuleb teha sild ja siis",
     "alles tee, aga naised olid teist meelt ning tahtsid kõigepealt lasteaeda, sest lapsi on palju"]
)  # fmt: skip
STEPS = "\n".join(
    [
        "Ava seadme kaas.", "Eemalda vanad patareid seadme tagumisest küljest.", "Sisesta uued patareid samas suunas.",
        "Sulge kaas.", "Oota roheline tuli.", "Vajuta esimest nuppu kolm sekundit.",
        "Vajuta teist nuppu viis sekundit.", "Vajuta kolmandat nuppu seitse sekundit.",
    ]
)  # fmt: skip
PRAYERS = "\n".join(
    ["خدایا تو را که دارم دیگر چه باید مرا و از تو که دورم به چه کار آید این همه که هست",
     "خدایا آن را که تو خواستی که از در تو راند و آن را که تو راندی که به خود خواند",
     "خدایا از من چه آید که به کار تو آید و از تو چه نیاید که در کار من باید",
     "خدایا هر چه من از تو خواهم کم است و هر چه تو به من دهی بیش از آن است که سزای من است",
     "خدایا اگر من از تو برگردم به که روم و اگر تو از من برگردی با که باشم"]
)  # fmt: skip
SAME_RHYME = "\n".join(
    f"نه هر {what} که در {where} است {ends}"
    for what, where, ends in [
        ("سنگ", "کوه", "نشانست"), ("مرد", "شهر", "جوانست"), ("باد", "دشت", "وزانست"), ("حرف", "نامه", "روانست"),
        ("ابر", "دور", "گرانست"), ("راه", "خاک", "دوانست"), ("مرغ", "باغ", "نوانست"), ("یار", "دل", "جهانست"),
    ]
)  # fmt: skip
PROGRAMMES = "\n".join(
    f"برنامه هفتگی {what}" for what in (
        "آینده کشاورزی استان شمالی", "بررسی قیمت مسکن پایتخت", "تاریخ سینمای دهه پنجاه", "گفتگوی ورزشی پایان هفته",
        "نگاهی تازه موسیقی محلی", "جایگاه زنان بازار کار", "اخبار اقتصادی منطقه خلیج فارس", "آموزش آشپزی مدرسه",
    )
)  # fmt: skip
PEOPLE = ("وزیر", "نماینده", "شهردار", "داور", "مربی", "بازیگر", "نویسنده")
PLACES = ("تهران", "شیراز", "تبریز", "مشهد", "کرمان", "اهواز", "رشت", "قم", "یزد", "زنجان", "ساری")
THINGS = ("بودجه", "جشنواره", "مسابقه", "باران", "نان", "مدرسه", "موزه", "بیمه", "پل", "فیلم", "کتاب", "گندم", "برق")
SAID = ("خبر داد", "انتقاد کرد", "گفت", "بازدید کرد", "دفاع کرد")
FRONT_PAGE = " ".join(
    f"{PEOPLE[n % 7]} {PLACES[n % 11]} {'' if n % 2 else 'از '}{THINGS[n % 13]} {SAID[n % 5]}" for n in range(80)
)


@pytest.mark.parametrize(
    ("code", "text", "reason"),
    [
        ("fa", FREE_VERSE, ""),
        ("et", SONG, ""),
        ("fa", MENU_IN_GROUPS, "short lines"),
        ("et", RECIPE, ""),
        ("et", AMOUNTS, ""),
        ("et", PRODUCTS, "few stop words"),
        ("et", PLAY, ""),
        ("et", SPEAKERS, "short words"),
        ("fa", STATUTE, ""),
        ("fa", FIXTURES, "few stop words"),
        ("fa", ONE_LINE, ""),
        ("fa", MENU_IN_ONE_LINE, "few sentences end"),
        ("fa", COMMENT, ""),
        ("et", SPEECH, ""),
        ("et", TEASERS, "many symbols"),
        ("et", NEWS, ""),
        ("et", SAID_TWICE, "said again"),
        ("et", KEYWORDS, "top 3-gram"),
        ("et", DIVIDED, ""),
        ("et", INTERVIEW, ""),
        ("fa", RHYMED, ""),
        ("et", MANUAL, ""),
        ("fa", QUOTED, ""),
        ("et", RECORD, ""),
        ("et", BROKEN, ""),
        ("fa", FRONT_PAGE, "few sentences end"),
        ("et", STEPS, ""),
        ("fa", PRAYERS, ""),
        ("fa", SAME_RHYME, ""),
        ("fa", PROGRAMMES, "few stop words"),
    ],
)  # fmt: skip
def test_a_kind_of_text_stays_and_what_looks_like_it_goes(code: str, text: str, reason: str):
    assert verdict(code, text) == reason


def test_chords_over_verses_go_and_letters_over_parts_stay():
    language = get("et")
    verses = [
        "Vihma sajab aknale", "ja sa ei tule täna", "Tuled põlevad üle tee", "ma olen üksi jälle",
        "Homme paistab päike", "ja meri on jälle vait", "Keegi naerab trepikojas", "see olid vist sa ise",
        "Et ma ei kuule enam kella", "kuidas ta kolm korda lööb",
    ]  # fmt: skip
    chords = ["Am G", "F#m7 E", "C G/B", "Dm", "H7 E"] * 2
    sheet = language.normalize("\n".join(f"{chord}\n{verse}" for chord, verse in zip(chords, verses, strict=True)))
    assert without_chords(sheet) == ("\n".join(verses), 10)
    assert verdict("et", without_chords(sheet)[0]) == ""
    inline = "\n".join(f"[Am]{verse[:5]}[{chord[0]}]{verse[5:]}" for chord, verse in zip(chords, verses, strict=True))
    assert without_chords(inline)[0] == "\n".join(verses)
    glossary = "A\nader\nait\nB\nbuss\nC\ncoca\nD\ndaam\nE G\neit"
    assert without_chords(glossary) == (glossary, 0)


@pytest.mark.parametrize(
    ("code", "line", "goes"),
    [
        ("et", "Loe ka: kuidas turul kaubeldi", True), ("et", "Vaata lisaks pilte lumest", True),
        ("et", "Loe edasi…", True),
        ("et", "Vaata veel.", False), ("et", "Loe ka eesmärk läbi, enne kui alustad.", False),
        ("fa", "بیشتر بخوانید: زمان کنکور اعلام شد", True), ("fa", "همچنین ببینید", True),
        ("fa", "بیشتر بخوانید تا بهتر بنویسید.", False), ("fa", "خانه", False),
    ],
)  # fmt: skip
def test_what_points_elsewhere_goes_and_a_sentence_that_begins_alike_stays(code: str, line: str, goes: bool):
    language = get(code)
    left = without_boilerplate(language.normalize(f"Üks.\n{line}\n\nKaks."), language)
    assert left == (("Üks.\n\nKaks.", 1) if goes else (language.normalize(f"Üks.\n{line}\n\nKaks."), 0))


def test_a_line_that_is_said_again_over_new_text_is_a_heading():
    lines = ["Osa", "üks", "Osa", "kaks", "Osa", "üks"]
    again = np.array([False, False, True, False, True, True])
    assert stand_over_new(lines, again, 60).tolist() == [False, False, True, False, False, False]
    assert not stand_over_new(lines, again, 2).any()


def test_couplets_of_one_rhyme_are_told_from_programmes():
    assert rhymed(SAME_RHYME.split("\n"))
    assert not rhymed(PROGRAMMES.split("\n"))


def test_every_second_verse_ends_alike_and_titles_do_all():
    assert not refrain(
        [f"osta {thing} kohe siit" for thing in ("kapp", "laud", "tool", "voodi")] + ["ja muud", "või nii"]
    )
    assert not refrain(["üks kaks", "kolm neli", "viis kuus", "seitse kaheksa", "üheksa kümme"])


def test_numbers_of_a_sentence_are_no_words_and_those_of_a_table_are():
    told = Page.of("Meie võitsime 12 mängu, kaotasime 3 ja viigistasime 4 korda.", get("et"), HASHER)
    table = Page.of("Meie 12 3 4\nTeie 11 2 6", get("et"), HASHER)
    assert words_with_letter(told) == 1.0
    assert words_with_letter(table) == 0.25


def test_a_sentence_ends_at_its_mark_and_not_at_a_number_or_in_an_address():
    end = sentence_end(".!?…", "»”", "")
    assert len(end.findall("Tuli 3. mail. Läks!» Nii.Siis v1.2 ja a.b. x aastal 2019.\n")) == 5
    assert len(sentence_end("。", "", "。").findall("今日。明日。")) == 2
    assert ends_sentence("Läks koju.”", ".", "»”")
    assert not ends_sentence("Koostisosad:", ".", "»”")


@pytest.mark.parametrize(
    ("line", "broken"),
    [("Minister lubas, et…", True), ("Ma ei tea… ehk homme…", False), ("Ta läks. Ja siis...", False), ("Läks.", False)],
)
def test_a_teaser_is_one_sentence_that_breaks_off(line: str, broken: bool):
    assert breaks_off(line, sentence_end(".!?…", "”", "")) == broken


def test_a_list_is_announced_and_ends_with_a_sentence_a_long_line_or_after_twenty_lines():
    steps = ["Sega."] * 8

    def items(*lines: str) -> list[bool]:
        return listed([*lines, *steps], [False] * len(lines) + [True] * len(steps))[: len(lines)]

    assert items("Vaja on:", "jahu", "vett", "soola") == [False, True, True, True]
    assert not any(items("Vaja on:", "jahu", "vett", "x" * 61))
    assert not any(items("Näide:", "jahu", "Näide:", "vett"))
    assert sum(items("Vaja on:", *["jahu"] * 25)) == 20
    assert not any(listed(["Väravavahid:", "Aun", "Kask", "Tamm", "Mängitakse homme."], [False] * 4 + [False]))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("Vaata https://example.org/a/b?c=1 siit", "Vaata   siit"),
        ("kirjuta info@example.org või @mari", "kirjuta   või  "),
        ("ava /usr/share/dict/words ja C:\\Docs\\a.txt", "ava   ja  "),
        ("ja/või 3/4 kell 12:30 Outlook.com", "ja/või 3/4 kell 12:30 Outlook.com"),
    ],
)
def test_addresses_are_taken_out_and_nothing_else(text: str, said: str):
    assert without_addresses(text) == said


def test_a_text_without_addresses_is_the_very_text():
    text = "Ilma aadressita lause."
    assert without_addresses(text) is text


def test_addresses_count_for_no_script_and_no_words():
    text = "این خبر را در صفحهٔ ما بخوانید https://example.org/long/path/of/an/article/that/nobody/reads?utm=mail"
    page = Page.of(text, get("fa"), HASHER)
    assert page.counts["letters"] == page.counts["script"]
    assert len(page.words) == 7
