"""Values that programs stumble over: what is no number, too long, no text, or means something else elsewhere."""

LONG = 5000
"""More digits than Python makes a number of."""

NUMBERS = (
    "nan NaN inf -inf Infinity -0 -0.0 1e308 -1e308 1e400 5e-324 -1 0 00 1.5 1e3 1_000 0x10 true null "
    "\u0663 \uff11"  # digits of other scripts
)
MOMENTS = (
    "0001-01-01 9999-12-31 0001-01-01T00:00:00+23:59 9999-12-31T23:59:59-23:59 2024-01-01T00:00:00+99:99 -2024 "
    "2024-02-30 24:00 1e18 2024-01-01T24:00:00 2024-01-01T00:00:60Z"
)
TEXTS = [
    "", " ", "\0", "a\0b", "\r\nX: y", "'", '"', "\\", "%", "+", "../../etc/passwd", "..%2f", "[", "{",
    "\u202e\u05d0", "\U0001f600", "9" * 20, "9" * LONG, "-" + "9" * LONG, "x" * LONG, "[" * LONG,
]  # fmt: skip
BYTES = [b"\xff", b"\xed\xa0\x80", b"\xc0\xaf", b"%ff", b"%zz"]  # a lone surrogate among them
VALUES = [*(text.encode() for text in [*NUMBERS.split(), *MOMENTS.split(), *TEXTS]), *BYTES]

HEADERS = {
    "Accept-Encoding": [b"gzip;q=nan", b"\xff"],
    "Authorization": [b"Bearer", b"Bearer \xff", b"Basic x", b"Bearer emovox_\xc3\xa9_x", b"bearer " + b"_" * 99],
    "Content-Type": [
        b"", b";", b"\xff", b"multipart/form-data", b"multipart/form-data; boundary", b"text/plain; charset=x",
        b"multipart/form-data; boundary=\xff", b"multipart/form-data; boundary*=x''%ff", b"application/json",
        b"multipart/form-data; boundary*0=x; boundary*1=y",
    ],
    "Cookie": [
        b"", b"=", b";;;", b"emovox", b'emovox="', b"emovox=\xff", b"emovox_key=x", b"__Host-emovox=x",
        b"a=b;" * 500,
    ],
    "Expect": [b"100-continue", b"x"],
    "Host": [
        b"", b"[", b"]", b"[::1", b"[::1]:", b":", b"localhost:", b"localhost:99999999", b"\xc3\xa9",
        b"localhost\xff",
    ],
    "If-Modified-Since": [b"x", b"\xff"],
    "If-Range": [b"x", b'W/"x"', b"\xff"],
    "Origin": [
        b"", b"null", b"http://[", b"http://[::1", b"http://]", b"//", b"http://\xff", b"http://localhost:x",
        b"x" * LONG,
    ],
    "Prefer": [b"", b"respond-async;", b'respond-async; x="', b",,,", b"\xff"],
    "Range": [
        b"", b"bytes", b"bytes=", b"bytes=-", b"bytes=-0", b"bytes=0-0", b"bytes=1-0", b"bytes=a-b",
        b"bytes=\xb2-", b"lines=1-2", b"bytes=" + b"9" * LONG + b"-", b"bytes=-" + b"9" * LONG,
        b"bytes=" + b"0-0," * 500, b"bytes=0-,0-,1-,-1",
    ],
    "Sec-Fetch-Site": [b"", b"cross-site", b"same-site", b"\xff"],
    "X-API-Key": [b"", b"\xff", b"emovox__", b"_" * LONG],
}  # fmt: skip
LENGTHS = [b"-1", b"+1", b"1_0", b"0x1", b"nan", b"1, 2", b"", b"\xb2", b"9" * LONG]
