"""Make tests/golden/stems.json and normalise.json: words and texts of our own, as METEOR has them.

Stems come from Snowball's own library in the version that METEOR's agree with, libstemmer 2.2.0;
normalised texts from the jar in pycocoevalcap 1.2, which writes them beside its alignments. That
needs Java and packages this project does not depend on:

    apt-get install libstemmer0d=2.2.0-2
    python3 -m venv oracle
    oracle/bin/pip install pycocoevalcap==1.2
    oracle/bin/python tools/make_golden_words.py
"""

from __future__ import annotations

import ctypes
import json
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from itertools import product
from pathlib import Path

import pycocoevalcap

GOLDEN = Path(__file__).parent.parent / "tests" / "golden"
JAR = Path(pycocoevalcap.__path__[0]) / "meteor" / "meteor-1.5.jar"

WORDS = """
    a i y by at ox be he 's 't don 'tis 'clock o'clock dogs' cat's boss's '''' yy yyy ayy
    skis skies dying lying tying idly gently ugly early only singly sky news howe atlas cosmos bias
    andes inning outing canning herring earring proceed exceed succeed innings outings cannings
    herrings earrings proceeds exceeds succeeds
    generate generates generation generic generous generously generosity gener general generally
    commune communes communism communication community commun arsenic arsenal arsen
    past paste pasted emerge university universe universal organization organs
    caresses princesses dresses ties cries dies lies flies pies tied cried died lied studied
    gas this kiwis gaps bus buses focus glass glasses us is as its yes toss
    agreed feed need proceeded exceeding indeed agreedly heed freed seed weed
    plastered bled sing singing string rings king thing nothing bring swing motoring hoping hopping
    hoped hopped filing filling filled fled sled shed falling hissing fizzed failing luxuriated
    conflated troubled sized tanned bedded added ebbing egging erring offing putting running runner
    stirred planned stopping begging robbed cutting sitting boxing mixed fixing taxed showed playing
    played bowing jawed keying obeyed saying ying eying aging bing
    happy cry by say enjoy boy day apply sky's yellow youth syzygy rhythm they dry dryly
    relational conditional rational valenci hesitanci digitizer conformabli comfortably radically
    differently vilely analogously vietnamization predication operator feudalism decisiveness
    hopefulness callousness formality sensitivity sensibility possibly terribly apology geology
    analogy ology logi gogi hopefully carelessly lessly quickly badly fly ply sly holy jelly early's
    really fully usefully bitterly warmly calmly firmly greenly deeply safely
    national traditional triplicate formative formalize electricity electrical hopeful goodness
    sensational optional rationalize native creative negative imaginative alternative alternatives
    revival allowance inference airliner gyroscopic adjustable defensible irritant replacement
    adjustment dependent adoption homologou communism activate angularity homologous effective
    bowdlerize station nation mention vision session ration ion action cation element agent moment
    cement rent meant ant elephant table able edible bible art mart ism prism ate plate late rate
    probate rate cease controll roll rolled controlled enroll tell bell fall ale tale pale whole
    while hole ape ace cute mute bee see tree free flee love lovely loved loving lovable
    consign consigned consigning consignment consist consistency consistent consistently consisting
    consists consolation consolations consolatory console consoled consoles consolidate consolidated
    knack knackeries knackers knag knave knaves knavish knead kneaded kneading kneel knees knell
    knelt knew knife knit knits knitted knitting knives knob knobs knock knots
    dog dogs horse horses bicycle bicycles cyclist umbrella umbrellas children child women man men's
    paintings painted painter colours colour coloured colouring standing stands stood sitting sits
    wearing wears holding holds riding rides looking looks tables chairs kitchens photographs
    photography photographer skateboarding skateboarder surfing snowboarding tennis baseball
    triangles triangular rectangle circles circular squares pictures pictured largest smaller
    1990 1990s 3d 10,000 5th mr. e.g. x-ray a.b café cafés naïve naïvely façades écoles élevés
    größe straße ñandúes über красный éed aéed aßing éies ééies éyy yéy 猫 日ing
""".split()  # noqa: SIM905

SENTENCES = """
a man in a yellow raincoat is holding an umbrella over his daughter 's head
two dogs are running along the beach while a third one sleeps in the shade
the sign above the door reads open from 9 a.m. to 5 p.m. on weekdays
Two dogs are running along the beach; a third one sleeps (in the shade).
The u.s. team won 3-2 against the u.k. team
the u.s. team , which did n't travel , won 10,000 dollars
Mr. and Mrs. Smith don't know what's happening at No. 5.
mr. smith and mrs. jones meet dr. brown at st. paul 's
He lives at No. 12, she at no. 14, and they at nos. 3 and 5
See pp. 12-14 and art. 5 of the report, vol. 3, no. 2.
It's 10:30, isn't it? "No," she said, "it's 10:45."
“It’s half past ten,” he said; ‘it’s late’.
``it 's half past ten , '' he said
a well-known, state-of-the-art x-ray machine
rock-n-roll and hide-and-seek and a-b-c-d-e-f
prices rose from 1,000 to 12,500.75 (about 5.5%) in 2019-2020
he ate 1/2 an apple and/or drank 0.5 l of tea
the '90s and the 1990's were rock 'n' roll's years
o'clock, o'neill and l'amour, d'accord?
dogs' bowls, the boss's desk, James' hat, the cats'
can't've, shouldn't, y'all'd've, ain't
it ends here. And then it goes on. but not here. 5 more. (Five) more.
ends with an abbreviation, etc. and goes on
ends with an abbreviation, etc. And goes on
a file named report.final.v2.pdf at http://www.example.org/a_b.html?x=1&y=2
write to jane.doe@example.org or @jane or #jane
Ph.D. students at M.I.T. and U.C.L.A. study A.I.
J. R. R. Tolkien, J.R.R. Tolkien, JRR Tolkien
i.e. this, e.g. that, vs. those, cf. these
i.e., this, e.g., that, vs., those, cf., these
wait... what?! no way!!! well.... hmm..
wait ... what .. no ..... end
dashes - and -- and --- and – and — and ―
no-space—em dashes–en dashes--double---triple
a , b ,c, d,e,f,,g , ,h
1,2,3,a,4,b5,6c,7 ,8, 9
5,x x,5 5,5 x,x ,5 5, ,x x,
it costs $5, £6, €7.50 or 8¢ & more
a+b=c, x^2*y_3 < 4 > 2 ~ z | w \\ v
[brackets] {braces} <angles> (round) «guillemets» „low‟ ‚single‛
une pomme à côté du café, s'il vous plaît: l'été dernier
größe und straße, äpfel über ÖSTERREICH, naïve façade, čeština ŽLUŤOUČKÝ
красный круг слева от СИНЕГО квадрата, объект-1
ένας κόκκινος κύκλος ΣΊΣΥΦΟΣ
日本語のテキスト and english 中文文本
한국어 텍스트 a한b
हिन्दी पाठ और عربي نص
emoji 😀 x😀y 👩‍👩‍👧 ☃ ✓
ﬁne ﬂow ½ ¼ ² ³ ™ © ® ° µ Å
İstanbul'da ISPARTA ıssız
𝐛𝐨𝐥𝐝 𐐀𐐨 𞤀
soft\u00adhyphen zero\u200bwidth no\u00a0break thin\u2009space wide\u3000space
ends.\u00a0then ends.\u2009Then Mr.\u00a0Smith ends. \u00a0then
tabs\tand\tmore. tabs\tend
A. B. c. D e. F 5. 6 x. 7
a.b. a.b a.b.c. A.B. ab.cd. X ab.cd a1.b2. 1.2. 1.a. a.1. -a.b. .b. é.é.
.5 5. .x x. ..x x.. ...x x... . .. ... x . y . Z
Dr. DR. dr. Dr Mr.. Mr. . Mr., Mr.-x xMr. $Mr. X
No. 5 No. 5a No. a No. A No. $5 No. -5 No. .5 No.5 no. 5 NO. 5 Nos. A
pp. 5 pp. x pp. X pp. ( Art. 5 Art. X art. 5 Nr. X nr. 5
'a' 'tis a's a'b a' 'a 1's 1'a a'1 1'S 1'st 1's1 's 's's '90s é'é 1'é
a'b'c'd a'1'a 1'1'1 '' ''' '''' ''''' `a` ``b`` `'c'` ’’d’’
a-'b 'a-b a'-b a.-b a-.b -a a- -a- a--b --a a-- - -- --- ---- a---b a-----b
a-б б-a é-é $-a a-$ 5-6-7-8 a-5-b-6
',--,' '--' -,- ,-, .,. ,., '.' .'. ','.'-'
x\u2019s x\u2018y \u201cx\u201d y\u201d \u2019\u2019z\u2018\u2018 x\u2013y \u2013\u2013 -\u2013-
total amount due is 45.80 including 7.5 % tax
an invoice dated 12/03/2021 for 3 x 4.99 = 14.97
the clock shows 7:15, the score is 3:2, the ratio 1:1.5
st. patrick 's day vs. st. george 's day , inc. and co. and ltd.
corp. inc. co. Ltd. Bros. Gen. Gov. Sen. Rep. Lt. Col. Sgt. Capt. next
e-mail, E-Mail, e - mail, e -mail, e- mail
100% of 5% is 5 %, #1 & #2 @ 3 p.m.
"quoted" ''double'' 'single' "it's" ''it's'' '"both"'
she said: 'I can't.' Then: 'I won't.'
the end of a sentence.The start of another.And a third
U.S. is, U.S. Is, U.S.A. is, U.S.A is, u.s , u.s.. u.s...
-lrb- in brackets -rrb- and -lsb- in square ones -rsb-
( 555 ) 123-4567 or +1-555-123-4567 or 555.123.4567
\\frac{a}{b} $x_1$ `code` **bold** _it_ ~~gone~~ # title
"""

PIECES = ("Mr.", "u.s.", "x.", "No.", "a-b", "1,5", "don't", "'s", "–", "…", "“", "é.", "Σ", ".")


def texts() -> list[str]:
    """The sentences, the same in capitals, and every two awkward pieces, apart and joined."""
    sentences = SENTENCES.strip("\n").split("\n")
    capitals = [sentence.upper() for sentence in sentences if sentence.islower()]
    pairs = [gap.join(pair) for gap in (" ", "") for pair in product(PIECES, repeat=2)]
    return list(dict.fromkeys([*sentences, *capitals, *pairs]))


def stems(words: Sequence[str]) -> Iterator[str]:
    """The words' stems by libstemmer 2.2.0."""
    library = ctypes.CDLL("libstemmer.so.0d")
    library.sb_stemmer_new.restype = library.sb_stemmer_stem.restype = ctypes.c_void_p
    library.sb_stemmer_stem.argtypes = [ctypes.c_void_p, ctypes.c_char_p, ctypes.c_int]
    library.sb_stemmer_length.argtypes = [ctypes.c_void_p]
    stemmer = library.sb_stemmer_new(b"english", b"UTF_8")
    for word in words:
        text = word.encode()
        stem = library.sb_stemmer_stem(stemmer, text, len(text))
        yield ctypes.string_at(stem, library.sb_stemmer_length(stemmer)).decode()


def normalised(lines: Sequence[str]) -> list[str]:
    """What the jar makes of the texts: each is answer and reference of a segment of its own."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "texts").write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
        options = ["-l", "en", "-norm", "-m", "exact", "-w", "1.0", "-writeAlignments", "-f", "out"]
        command = ["java", "-Dfile.encoding=UTF-8", "-Xmx1G", "-jar", str(JAR), "texts", "texts"]
        subprocess.run([*command, *options], cwd=folder, capture_output=True, check=True)
        written = Path(folder, "out-align.out").read_text("utf-8").split("\n")
    heads = [place for place, line in enumerate(written) if line.startswith("Alignment\t")]
    return [written[place + 1] for place in heads]


def write(name: str, made_by: str, pairs: dict[str, str]) -> None:
    """Write a golden file."""
    golden = {"made_by": f"tools/make_golden_words.py with {made_by}", name: pairs}
    path = GOLDEN / f"{name}.json"
    path.write_text(json.dumps(golden, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
    print(f"{len(pairs)} in {path}")


def main() -> None:
    """Ask both tools and write both files."""
    words = list(dict.fromkeys(WORDS))
    write("stems", "libstemmer 2.2.0", dict(zip(words, stems(words), strict=True)))
    lines = texts()
    pairs = dict(zip(lines, normalised(lines), strict=True))
    write("normalise", "METEOR 1.5 in pycocoevalcap 1.2", pairs)


if __name__ == "__main__":
    main()
