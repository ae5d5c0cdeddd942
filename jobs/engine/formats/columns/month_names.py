"""Names of months in English, German, French, Spanish, Italian, Portuguese, Dutch, Swedish, Danish and Polish."""

from __future__ import annotations

_NAMES = (
    "jan january januar jänner jän janvier janv enero ene gennaio gen janeiro januari styczeń stycznia sty",
    "feb february februar février févr fév febrero febbraio fevereiro fev februari luty lutego lut",
    "mar march märz mär mrz mars marzo março maart mrt marts marzec marca",
    "apr april avril avr abril abr aprile kwiecień kwietnia kwi",
    "may mai mayo maggio mag maio mei maj maja",
    "jun june juni juin junio giugno giu junho czerwiec czerwca cze",
    "jul july juli juillet juil julio luglio lug julho lipiec lipca lip",
    "aug august août aoû agosto ago augustus augusti sierpień sierpnia sie",
    "sep sept september septembre septiembre settembre set setembro wrzesień września wrz",
    "oct october oktober okt octobre octubre ottobre ott outubro out październik października paź",
    "nov november novembre noviembre novembro listopad listopada lis",
    "dec december dezember dez décembre déc diciembre dic dicembre dezembro desember grudzień grudnia gru",
)
MONTHS = {name: number for number, names in enumerate(_NAMES, 1) for name in names.split()}
