"""Names of months in English, German, French, Spanish, Italian, Portuguese, Dutch, Swedish, Danish and Polish, and in Russian,
Ukrainian, Bulgarian, Czech, Turkish, Hungarian, Romanian, Greek and Finnish."""

# ruff: noqa: RUF001 - letters of Greek and Turkish that look like Latin ones are meant

from __future__ import annotations

_NAMES = (
    "jan january januar jänner jän janvier janv enero ene gennaio gen janeiro januari styczeń stycznia sty"
    " января январь янв січня січень януари ledna leden ocak január ianuarie ιανουαρίου ιαν tammikuuta tammikuu",
    "feb february februar février févr fév febrero febbraio fevereiro fev februari luty lutego lut"
    " февраля февраль фев лютого лютий февруари února únor şubat február februarie φεβρουαρίου φεβ helmikuuta helmikuu",
    "mar march märz mär mrz mars marzo março maart mrt marts marzec marca"
    " марта март мар березня березень března březen mart március martie μαρτίου μαρ maaliskuuta maaliskuu",
    "apr april avril avr abril abr aprile kwiecień kwietnia kwi"
    " апреля апрель апр квітня квітень април dubna duben nisan április aprilie απριλίου απρ huhtikuuta huhtikuu",
    "may mai mayo maggio mag maio mei maj maja"
    " мая май травня травень května květen mayıs május μαΐου μαι toukokuuta toukokuu",
    "jun june juni juin junio giugno giu junho czerwiec czerwca cze"
    " июня июнь июн червня червень юни června červen haziran június iunie ιουνίου ιουν kesäkuuta kesäkuu",
    "jul july juli juillet juil julio luglio lug julho lipiec lipca lip"
    " июля июль июл липня липень юли července červenec temmuz július iulie ιουλίου ιουλ heinäkuuta heinäkuu",
    "aug august août aoû agosto ago augustus augusti sierpień sierpnia sie"
    " августа август авг серпня серпень srpna srpen ağustos augusztus αυγούστου αυγ elokuuta elokuu",
    "sep sept september septembre septiembre settembre set setembro wrzesień września wrz"
    " сентября сентябрь сен вересня вересень септември září eylül szeptember septembrie σεπτεμβρίου σεπ syyskuuta syyskuu",
    "oct october oktober okt octobre octubre ottobre ott outubro out październik października paź"
    " октября октябрь окт жовтня жовтень октомври října říjen ekim október octombrie οκτωβρίου οκτ lokakuuta lokakuu",
    "nov november novembre noviembre novembro listopad listopada lis"
    " ноября ноябрь ноя листопада листопад ноември kasım noiembrie νοεμβρίου νοε marraskuuta marraskuu",
    "dec december dezember dez décembre déc diciembre dic dicembre dezembro desember grudzień grudnia gru"
    " декабря декабрь дек грудня грудень декември prosince prosinec aralık decembrie δεκεμβρίου δεκ joulukuuta joulukuu",
)
MONTHS = {name: number for number, names in enumerate(_NAMES, 1) for name in names.split()}
