"""Encodings that nothing in a file tells: guessed from few letters, and from texts of the web that others gathered."""

from __future__ import annotations

import codecs
import os
from collections import Counter
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import pytest

from jobs.engine.formats import tables
from jobs.engine.formats.tables import encodings
from tests import source_distributions

SHORT = {
    "cp1250": (
        "jméno,město\nJiří Dvořák,Plzeň\nŽofie,Brno\n",
        "imię,miasto\nŁukasz,Łódź\nŚwiętosława,Kraków\n",
        "név,város\nGyőző,Győr\nŐrs,Székesfehérvár\n",
    ),
    "cp1251": ("имя,город\nАнна,Москва\n", "Име;Сума\nГеорги;10\n", "назва,ціна\nЇжак,5\n"),
    "koi8-r": ("имя,город\nАнна,Москва\nИван,Тула\n",),
    "cp866": ("имя,город\nАнна,Москва\nИван,Тула\n",),
    "shift_jis": ("名前,年齢,住所\n佐藤太郎,30,東京\n三木幸子,25,大阪\n", "商品,値段\nりんご,100\n"),
    "euc-jp": ("名前,年齢,住所\n佐藤太郎,30,東京\n三木幸子,25,大阪\n", "商品,値段\nりんご,100\n"),
    "gb18030": ("姓名,城市\n张伟,北京\n王芳,上海\n", "产品,价格\n苹果,5\n"),
    "big5": ("姓名,城市\n張偉,臺北\n王芳,高雄\n", "產品,價格\n蘋果,5\n"),
    "euc-kr": ("이름,도시\n김철수,서울\n이영희,부산\n",),
    "cp1253": ("id,age,name\n1,39,Λεωνίδας\n2,23,Αλέξανδρος\n", "όνομα,πόλη\nΓιώργος,Αθήνα\n"),
    "cp1254": ("isim,şehir\nAyşe,İstanbul\nOğuz,Eskişehir\n", "ad;şehir\nŞükrü;İzmir\n"),
    "cp1255": ("שם,עיר\nדוד,ירושלים\nשרה,חיפה\n",),
    "cp1256": ("اسم,مدينة\nمحمد,القاهرة\nفاطمة,بغداد\n",),
    "cp1257": ("vardas,miestas\nŽydrūnė,Šiauliai\nĄžuolas,Panevėžys\n",),
    "cp874": ("ชื่อ,เมือง\nสมชาย,กรุงเทพ\n",),
    "mac-roman": ("nom,ville\nZoë,Besançon\nRené,Nîmes\n", "name,city\nJürgen,München\nBjörn,Köln\n"),
    "cp850": (
        "name,city\nJürgen,München\nBjörn,Köln\n",
        "nom,ville\nZoë,Besançon\nRené,Nîmes\n",
        "a;b\nMüller;1\nStraße;2\n",
    ),
    "iso8859-2": ("imię,miasto\nŁukasz,Łódź\nŚwiętosława,Kraków\n",),
    "cp1252": (
        *("name,city\nJürgen,München\nBjörn,Köln\n", "nom,ville\nZoë,Besançon\n", "nombre,precio\nPeña,5\nMuñoz,6\n"),
        *(
            "x,y\ncafé,1\n",
            "navn,by\nSøren,Ærøskøbing\n",
            "name,price\n“Lamp” – big,5 €\n",
            "a,b\nZoë,1\n",
            "a,b\n1,©\n",
        ),
    ),
}
SAME = {
    "gb2312": "gb18030",
    "shift_jis": "cp932",
    "cp949": "cp949",
}  # what the guess may say instead, as it has all letters of it
LEAST_RIGHT, LEAST_RIGHT_SHORT = 0.97, 0.9


@pytest.mark.parametrize(("encoding", "text"), [(name, text) for name, texts in SHORT.items() for text in texts])
def test_a_few_letters_are_enough(encoding: str, text: str, tmp_path: Path) -> None:
    path = tmp_path / "x.csv"
    path.write_bytes(text.encode(encoding))

    info = tables.describe(path, path.name)

    assert path.read_bytes().decode(info.encoding or "") == text
    assert info.notes == [f"Read as {info.encoding}, which is a guess. If letters are wrong, choose the encoding."]
    assert [list(row.values()) for row in tables.read(path, path.name, info.options)] == [
        line.split(";" if ";" in text else ",") for line in text.splitlines()[1:]
    ]


def test_a_broken_letter_does_not_turn_utf_8_into_something_else(tmp_path: Path) -> None:
    path = tmp_path / "x.csv"
    path.write_bytes(b"a,b\n" + "é,東京\n".encode() * 100 + b"\xff,1\n")
    info = tables.describe(path, path.name)
    assert (info.encoding, info.rows) == ("utf-8", 101)
    assert "Some letters are not written in utf-8 and were replaced by “�”." in info.notes
    assert [row["a"] for row in tables.read(path, path.name)][-2:] == ["é", "�"]


@pytest.mark.slow
def test_texts_that_others_gathered() -> None:
    """chardet's own tests, named by their encoding: whole, and of each only the first three lines with odd letters.

    An eighth of them, and all with `make fuzz`, which sets WHOLE_CORPORA.
    """
    seen: Counter[str] = Counter()
    right: Counter[str] = Counter()
    gathered = islice(_gathered(), 0, None, 1 if "WHOLE_CORPORA" in os.environ else 8)
    for encoding, data in gathered:
        odd = b"\n".join([line for line in data.splitlines() if not line.isascii()][:3])
        for kind, part in (("whole", data), ("short", odd)):
            seen[kind] += 1
            right[kind] += _same(part, encodings.guess([part]), encoding)
    print(", ".join(f"{kind}: {right[kind]} of {seen[kind]} right" for kind in seen))
    assert seen["whole"] > 40
    assert right["whole"] >= LEAST_RIGHT * seen["whole"]
    assert right["short"] >= LEAST_RIGHT_SHORT * seen["short"]


def _gathered() -> Iterator[tuple[str, bytes]]:
    for folder in sorted((source_distributions.folder("chardet") / "chardet-5.2.0" / "tests").iterdir()):
        encoding = folder.name.rpartition("-")[0] if folder.name.rpartition("-")[2].isalpha() else folder.name
        try:
            known = codecs.lookup(encoding if encoding not in ("EUC", "TIS", "SHIFT") else folder.name).name
        except LookupError:
            continue
        if folder.is_dir() and not known.startswith(("utf", "ascii", "iso2022")):
            texts = ((known, path.read_bytes()) for path in sorted(folder.iterdir()))
            yield from ((name, data) for name, data in texts if not data.isascii() and _decodes(data, name))


def _decodes(data: bytes, encoding: str) -> bool:
    try:
        data.decode(encoding)
    except UnicodeError:
        return False
    return True


def _same(data: bytes, guessed: str | None, encoding: str) -> bool:
    if guessed is None:
        return False
    if SAME.get(encoding) == guessed:
        return True
    return data.decode(guessed, "replace") == data.decode(encoding)
