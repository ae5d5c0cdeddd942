"""Guess the encoding of text that is neither UTF-8 nor UTF-16: by its letters, and by charset-normalizer where they do not tell.

A table has few odd letters, often some names, which is too little for detectors that look at how often each letter occurs. So each
encoding that is in wide use is tried, and its text judged: whether its words are of one script and one alphabet, whether a capital
stands behind a small letter, whether its characters are common ones.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator
from functools import lru_cache
from itertools import islice, pairwise

# In the order in which they are preferred where the letters do not tell.
CANDIDATES = (
    "utf-8",  # with some broken letters
    *(
        "cp1252",
        "cp1250",
        "cp1251",
        "cp932",
        "gb18030",
        "cp949",
        "big5hkscs",
        "euc_jp",
        "cp1253",
        "cp1254",
        "cp1255",
        "cp1256",
    ),
    *(
        "cp1257",
        "cp874",
        "koi8_u",
        "cp866",
        "mac_roman",
        "cp850",
        "iso8859_2",
        "cp852",
        "iso8859_5",
        "iso8859_7",
        "mac_cyrillic",
        "cp855",
        "johab",
    ),
)
ODD_LINE = re.compile(rb"[^\r\n]{0,500}[\x80-\xff][^\r\n]{0,500}")
LINES_OF_CHUNK = 50
SAMPLE = 4_000  # bytes that are looked at in each encoding
SIGNS = "‘’“”„–—…€°§«»·¡¿№、。「」・（）〜：，©®±²³½¼µªº\xa0£"  # noqa: RUF001 - as people write
WITHIN = "\u2019\xb7"  # signs that stand within words: an apostrophe, the dot of Catalan
_WRONG_DOT = re.compile("(?<![lL])\xb7|\xb7(?![lL])")  # it stands between two l
_SECOND_CAPITAL = re.compile("[A-Z][\xc0-\xde][a-z]")  # MÅller
GOOD = 0.6  # of a text whose letters are those of its language
ALPHABETS = (
    *("äöüß", "àâæçéèêëîïôœùûüÿ", "áéíóúüñªº", "áâãàçéêíóôõúü", "àèéìíòóùú", "åäöæøé", "ðþæöáéíóúý", "àéèëïöüçó"),
    *("ąćęłńóśźż", "áčďéěíňóřšťúůýž", "áäčďéíĺľňóôŕšťúýž", "áéíóöőúüű", "ăâîșşțţ", "čćđšž", "çğıöşüâî", "äöüõšž"),
    *("ąčęėįšųūž", "āčēģīķļņšūž", "àèéíïòóúüç"),
)
FREQUENT = (
    *(
        "оеаинтсрвлкмдпу",
        "оаинвретисклдпмуяйі",
        "аоиенртвсклдпмз",
        "αοιετσνηυρπκμλς",
        "יוהלאתרמבשנדםע",
        "اليمونرتبةعدسفهكح",
    ),
    "านรอกเงมยลวดทสตะปบคหแจพชขใไโผซถ",
)
HAN = (
    "的一是在不了有和人这中大为上个国我以要他时来用们生到作地于出就分对成会可主发年动同工也能下过子说产种面而方后多定行学法所民得"
    "经十三之进着等部度家电力里如水化高自二理起小物现实加量都两体制机当使点从业本去把性好应开它合还因由其些然前外天政四日那社义事平形"
    "相全表间样与关各重新线内数正心反你明看原又么利比或但质气第向道命此变条只没结解问意建月公无系军很情者最立代想已通并提直题党程展五"
    "果料象员革位入常文总次品式活设及管特件长求老头基资边流路级少图山统接知较将组见计别她手角期根论运农指几九区强放决西被干做必战先回则"
    "张王李刘陈杨赵黄周吴京海上姓名市价格苹单号称电话址邮编省县区城男女",
    "的一是在不了有和人這中大為上個國我以要他時來用們生到作地於出就分對成會可主發年動同工也能下過子說產種面而方後多定行學法所民得"
    "經十三之進著等部度家電力裡如水化高自二理起小物現實加量都兩體制機當使點從業本去把性好應開它合還因由其些然前外天政四日那社義事平形"
    "相全表間樣與關各重新線內數正心反你明看原又麼利比或但質氣第向道命此變條只沒結解問意建月公無系軍很情者最立代想已通並提直題程展五果"
    "料象員革位入常文總次品式活設及管特件長求老頭基資邊流路級少圖山統接知較將組見計別她手角期根論運農指幾九區強放決西被幹做必戰先回則"
    "張王李劉陳楊趙黃周吳臺北高雄台中姓名市價格蘋單號稱電話址郵編縣區城男女",
    "日一国人年大十二本中長出三時行見月後前生五間上東四今金九入学高円子外八六下来気小七山話女北午百書先名川千水半男西電校語土木聞"
    "食車何南万毎白天母火右読友左休父雨名前年齢住所氏電話番号商品値段価格数量合計金額東京大阪京都横浜市区町村県府佐藤鈴木高橋田中伊藤"
    "渡辺山本中村小林加藤吉田郎美恵幸会社員部課長株式単位備考注文明細売上税込別計者的場地方業務管理内容種類状態登録更新者",
)
HANGUL = (
    "이가다는을의에은를고하지한기로도사자아나리어서시인대해일정수그주전보스부장성상원구제비동신김박최영희철민우경호준현서울산광천도"
    "름이름시군면읍번호전화주소가격수량합계금액날짜제품명회사직원고객주문상태내용국한글문자값품목분류연도월매출평균총개소재과학교생년"
)


def guess(chunks: Iterable[bytes]) -> str | None:
    """The most likely encoding of a text that is not all ASCII; None where no text comes of any."""
    odd = _sample(chunks)
    score, name = likeliest(odd, CANDIDATES)
    return name if score >= GOOD else _by_library(odd) or name


def likeliest(odd: bytes, candidates: Iterable[str]) -> tuple[float, str | None]:
    """The likeliest of these encodings, and how likely it is, from 0 to 1; the first of several that are as likely."""
    judged = [
        (score, -place, name) for place, name in enumerate(candidates) if (score := _score(odd, name)) is not None
    ]
    best = max(judged, default=None)
    return (best[0], best[2]) if best else (0.0, None)


def _sample(chunks: Iterable[bytes]) -> bytes:
    """Lines with bytes above 127, from all over the text. The chunks end at ends of lines."""
    found: list[bytes] = []
    for chunk in chunks:
        found += (one.group() for one in islice(ODD_LINE.finditer(chunk), LINES_OF_CHUNK))
    found = list(dict.fromkeys(found))
    step = max(1, len(found) * sum(map(len, found[:100])) // max(len(found[:100]), 1) // SAMPLE)
    return b"\n".join(found[::step])


def _score(data: bytes, encoding: str) -> float | None:
    """From 0 to 1; None where the bytes are no text in this encoding."""
    text = data.decode(encoding, "replace")
    odd = [letter for letter in text if letter > "\x7f"]
    broken = text.count("\ufffd")
    if not odd or broken * 50 > len(odd) or any(unicodedata.category(one) in ("Cc", "Co", "Cn") for one in odd):
        return None
    words = re.findall(r"[^\W\d_]+(?:[^\w\s!-~][^\W\d_]+)*", text)
    faults = sum(_faults(word) for word in words if not word.isascii())
    faults += broken + sum(not _is_text(letter) for letter in odd)
    return max(0.0, _plausible(odd, words) - faults / len(odd))


def _is_text(letter: str) -> bool:
    return unicodedata.category(letter)[0] in "LM" or letter in SIGNS


def _faults(word: str) -> int:
    """Signs within a word, scripts that do not go together, capitals behind small letters."""
    letters = [letter for letter in word if letter.isalpha()]
    signs = sum(
        letter > "\x7f" and letter not in WITHIN and not letter.isalpha() and not unicodedata.combining(letter)
        for letter in word
    )
    signs += len(_WRONG_DOT.findall(word)) + bool(_SECOND_CAPITAL.match(word))
    scripts = {_script(letter) for letter in letters} - {""}
    if scripts & {"han", "kana", "HANGUL"}:  # plain Latin letters stand beside these
        scripts = {_script(letter) for letter in letters if letter > "\x7f"} - {""}
    mixed = len(letters) if len(scripts) > 1 and scripts != {"han", "kana"} else 0
    return signs + mixed + sum(one.islower() and other.isupper() for one, other in pairwise(letters))


@lru_cache(10_000)
def _script(letter: str) -> str:
    name = unicodedata.name(letter, "")
    for start, script in (("CJK", "han"), ("HIRAGANA", "kana"), ("KATAKANA", "kana"), ("HALFWIDTH KATAKANA", "half")):
        if name.startswith(start):
            return script
    return "" if letter == "ー" else name.split(" ", 1)[0]


def _plausible(odd: list[str], words: list[str]) -> float:
    """The share of the odd letters that are usual in the language which has most of them."""
    letters = [letter for letter in odd if letter.isalpha() or unicodedata.combining(letter)]
    wide = {"han", "kana", "HANGUL"}
    alone = len(letters) < 3 and all(letter in words and _script(letter) not in wide for letter in letters)
    if not letters or alone:
        return 0.65  # quotation marks and the like: the first that has them
    scripts = [_script(letter) for letter in letters]
    if "HANGUL" in scripts:
        return 0.3 + 0.7 * _share(letters, {*HANGUL})
    if "han" in scripts or "kana" in scripts:
        kana = [letter for letter, script in zip(letters, scripts, strict=True) if script == "kana"]
        return max(
            0.3 + 0.7 * _share(letters, {*common, *(kana if place == 2 else ())}) for place, common in enumerate(HAN)
        )
    if scripts.count("LATIN") > len(scripts) // 2:
        return _latin(letters, words)
    if "half" in scripts:
        return 0.2
    enough = min(1.0, len(letters) / 3)  # a letter or two are no words of another script
    return max(0.25 + 0.7 * _share([letter.lower() for letter in letters], {*common}) for common in FREQUENT) * enough


def _latin(letters: list[str], words: list[str]) -> float:
    """Words of one language have odd letters among others, and those of its alphabet."""
    crowded = sum(sum(letter > "\x7f" for letter in word) * 2 > len(word) for word in words if len(word) > 2)
    low = ["\u0131" if letter == "\u0130" else letter.lower() for letter in letters]
    share = max(_share(low, {*alphabet}) for alphabet in _alphabets(words))
    return max(0.0, 0.95 * share - crowded / max(len(words), 1))


def _alphabets(words: Iterable[str]) -> Iterator[str]:
    """The alphabets; Icelandic and Portuguese only where þ and õ stand as they do there."""
    text = " ".join(words).lower()
    for alphabet in ALPHABETS:
        if ("þ" in alphabet and re.search(r"\w[þ]|\bð", text)) or (
            "ãàçéêíóôõ" in alphabet and re.search("õ(?!e)", text)
        ):
            continue
        yield alphabet


def _share(letters: list[str], common: set[str]) -> float:
    return sum(letter in common for letter in letters) / len(letters)


def _by_library(data: bytes) -> str | None:
    import charset_normalizer

    best = charset_normalizer.from_bytes(data[:50_000], cp_isolation=list(CANDIDATES)).best()
    return best.encoding if best else None
