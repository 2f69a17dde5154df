// SPDX-License-Identifier: GPL-2.0-only
//! Meta commands, bytes in, bytes out. Every answer was observed on memcached 1.6.45 as
//! well, but for cas numbers, and where a comment says otherwise.
#![allow(missing_docs)]

mod common;

use common::check;

#[test]
fn refusals() {
    check(&[
        ("mg\r\nms\r\nmd\r\nma\r\nme\r\n", "CLIENT_ERROR bad command line format\r\nCLIENT_ERROR bad command line format\r\nCLIENT_ERROR bad command line format\r\nCLIENT_ERROR bad command line format\r\nCLIENT_ERROR bad command line format\r\n"),
        ("mg k v v\r\n", "CLIENT_ERROR duplicate flag\r\n"),
        ("mg k !\r\n", "CLIENT_ERROR bad command line format\r\n"),
        ("mg k 1\r\n", "CLIENT_ERROR invalid flag\r\n"),
        ("mg k S\r\n", "CLIENT_ERROR invalid flag\r\n"),
        ("mg k Tx\r\n", "CLIENT_ERROR bad token in command line format\r\n"),
        ("mg k T\r\n", "CLIENT_ERROR bad token in command line format\r\n"),
        ("mg k b\r\n", "CLIENT_ERROR error decoding key\r\n"),
        ("mg k O12345678901234567890123456789012\r\n", "CLIENT_ERROR opaque token too long\r\n"),
        ("ms k 1 Fx\r\nx\r\nmg k\r\n", "CLIENT_ERROR bad command line format\r\nEN\r\n"),
        ("ms k 1 F-1\r\nx\r\nmg k v f\r\n", "CLIENT_ERROR bad command line format\r\nEN\r\n"),
        ("ms k 1 F4294967296\r\nx\r\nmg k v f\r\n", "CLIENT_ERROR bad command line format\r\nEN\r\n"),
        ("ms k abc\r\nx\r\n", "CLIENT_ERROR bad command line format\r\nCLIENT_ERROR bad command line format\r\n"),
        ("ms k -1\r\n", "CLIENT_ERROR bad command line format\r\n"),
        ("ms k\r\n", "CLIENT_ERROR bad command line format\r\n"),
        ("ms k 1 MX\r\nx\r\n", "CLIENT_ERROR invalid mode for ms M token\r\n"),
        ("ms k 1 M\r\nx\r\n", "CLIENT_ERROR invalid mode for ms M token\r\n"),
        ("ms k 1 q\r\nxy\r\n", "CLIENT_ERROR bad data chunk\r\nCLIENT_ERROR bad command line format\r\n"),
        ("ms k 1 P L\r\nx\r\nmg k P L Pabc L1 v\r\nmg k Pabc L1 v\r\n", "HD\r\nCLIENT_ERROR duplicate flag\r\nVA 1\r\nx\r\n"),
        ("mg aa s t v c f k h l u O1 P L N30 R10 T5 E4 C4 I x\r\n", "CLIENT_ERROR options flags are too long\r\n"),
        ("md nok\r\nmd nok q\r\nmd nok k O1 b\r\nmd YWJj b k O5\r\n", "NF\r\nNF\r\nCLIENT_ERROR error decoding key\r\nNF kYWJj b O5\r\n"),
        ("ma k MX\r\nma k M\r\nma k Dx\r\nma k D-1\r\nma k J\r\nma k Z\r\nma k v v\r\nma YQ b\r\n", "CLIENT_ERROR invalid mode for ma M token\r\nCLIENT_ERROR invalid mode for ma M token\r\nCLIENT_ERROR invalid or duplicate flag\r\nCLIENT_ERROR invalid or duplicate flag\r\nCLIENT_ERROR invalid or duplicate flag\r\nCLIENT_ERROR invalid or duplicate flag\r\nCLIENT_ERROR invalid or duplicate flag\r\nCLIENT_ERROR invalid or duplicate flag\r\n"),
        ("set k 0 0 1\r\nx\r\nma k\r\nma k q O1\r\n", "STORED\r\nCLIENT_ERROR cannot increment or decrement non-numeric value\r\nCLIENT_ERROR cannot increment or decrement non-numeric value\r\n"),
        ("mn foo\r\nmx k\r\nmn\n", "MN\r\nERROR\r\nCLIENT_ERROR bad command line format\r\n"),
        ("mg k t N30 q\r\nmg k N30 t T60 q\r\nmg j T60 t N30 t\r\nmg i T60 N30\r\nmg i t\r\nmg h N30 T60\r\nmg h t\r\n", "HD t-1 W\r\nHD t30 Z\r\nCLIENT_ERROR duplicate flag\r\nHD W\r\nHD t30 Z\r\nHD W\r\nHD t60 Z\r\n"),
        ("mg abcdefghij b k\r\n", "CLIENT_ERROR error decoding key\r\n"),
        ("ms k 2 x N v\r\nxx\r\n", "CLIENT_ERROR bad token in command line format\r\n"),
    ]);
}

#[test]
fn arithmetic() {
    check(&[
        ("ma k\r\nma k N0 J10 v t\r\nma k v\r\nma k MD v\r\nma k M- D3 v\r\nma k M+ D3 v\r\nma k MI v t T30\r\nma k v t\r\nma k q\r\nma k q v k O1\r\nmn\r\n", "NF\r\nVA 2 t-1\r\n10\r\nVA 2\r\n11\r\nVA 2\r\n10\r\nVA 1\r\n7\r\nVA 2\r\n10\r\nVA 2 t-1\r\n11\r\nVA 2 t30\r\n12\r\nMN\r\n"),
        ("ma j N60 J3 T90 t v\r\nmg j t\r\nma i T60 J3 N90 t v\r\nmg i t\r\nma h t N30\r\nmg h t\r\n", "VA 1 t90\r\n3\r\nHD t90\r\nVA 1 t90\r\n3\r\nHD t90\r\nHD t-1\r\nHD t30\r\n"),
        ("set k 0 0 1\r\n5\r\nma k C1\r\nma k C0\r\nma k E55 c\r\ngets k\r\nma k C1 k O3 q v\r\n", "STORED\r\nHD\r\nHD\r\nHD c55\r\nVALUE k 0 1 55\r\n8\r\nEND\r\nEX kk O3\r\n"),
        ("ma nok q\r\nma nok k O2\r\nma nok N0 C5 J7 v\r\n", "NF\r\nNF knok O2\r\nVA 1\r\n7\r\n"),
        ("set k 0 0 2\r\n10\r\nma k MD v s\r\nmg k v s\r\n", "STORED\r\nVA 1\r\n9\r\nVA 2 s2\r\n9 \r\n"),
        ("set k 0 0 20\r\n18446744073709551615\r\nma k v\r\n", "STORED\r\nVA 1\r\n0\r\n"),
    ]);
}

#[test]
fn win_stale_and_sent() {
    check(&[
        ("ms k 1\r\nx\r\nms k 1 C5\r\ny\r\nms k 1 C1 I\r\nz\r\nmg k v\r\nmg k v\r\n", "HD\r\nEX\r\nHD\r\nVA 1\r\nz\r\nVA 1\r\nz\r\n"),
        ("ms k 1 E9\r\nx\r\nms k 1 C8 I c\r\nz\r\nmg k v t\r\nmg k v\r\nms k 1 C8 I\r\ny\r\nmg k v\r\n", "HD\r\nHD c1\r\nVA 1 t-1 X W\r\nz\r\nVA 1 Z X\r\nz\r\nEX\r\nVA 1 Z X\r\nz\r\n"),
        ("ms k 1 E9 T30\r\nx\r\nmd k I\r\nmg k\r\nms k 1 C8 I T90 E3 c\r\nz\r\nmg k v t c\r\n", "HD\r\nHD\r\nHD X W\r\nEX c0\r\nVA 1 t30 c1 Z X\r\nx\r\n"),
        ("ms k 3 MA\r\nabc\r\nms k 3 MA N0 s\r\nabc\r\nms k 3 MP s\r\ndef\r\nmg k v\r\n", "NS\r\nHD s3\r\nHD s6\r\nVA 6\r\ndefabc\r\n"),
        ("ms k 3 MA N30 F7 T60\r\nabc\r\nmg k t f\r\nms k 3 MA T90 F9 s\r\nabc\r\nmg k t f v\r\n", "HD\r\nHD t30 f7\r\nHD s6\r\nVA 6 t30 f7\r\nabcabc\r\n"),
        ("ms k 3 E5\r\nabc\r\nms k 1 MA C6\r\nx\r\nms k 1 MA C4 I\r\nx\r\nms k 1 MP C5 E7\r\ny\r\nmg k v c\r\n", "HD\r\nEX\r\nEX\r\nHD\r\nVA 4 c7\r\nyabc\r\n"),
        ("mg aa s t v c f k h l u O1 P L N30 R10 T5 E4 C4\r\n", "HD s0 t-1 c4 f0 kaa h0 l0 O1 W\r\n"),
        ("ms k 1\r\nx\r\nmd k I T30\r\nmg k v t c\r\nmg k v t\r\nms k 1 c\r\ny\r\nmg k v t\r\n", "HD\r\nHD\r\nVA 1 t30 c2 X W\r\nx\r\nVA 1 t30 Z X\r\nx\r\nHD c3\r\nVA 1 t-1\r\ny\r\n"),
        ("ms k 1\r\nx\r\nmd k I T30 q\r\nmg k v t h l\r\nmg k v t h l u\r\n", "HD\r\nVA 1 t30 h0 l0 X W\r\nx\r\nVA 1 t30 h1 l0 Z X\r\nx\r\n"),
        ("ms k 1 T100 F7\r\nx\r\nmd k I x T30 E99\r\nmg k v t f c\r\n", "HD\r\nHD\r\nVA 0 t30 f0 c99 X W\r\n\r\n"),
        ("md k E5 I\r\nms k 1\r\nx\r\nmd k E500\r\nmg k\r\n", "NF\r\nHD\r\nHD\r\nEN\r\n"),
        ("mg k N30 v\r\nmg k N30 v\r\nmg k v t\r\nms k 2\r\nab\r\nmg k v\r\n", "VA 0 W\r\n\r\nVA 0 Z\r\n\r\nVA 0 t30 Z\r\n\r\nHD\r\nVA 2\r\nab\r\n"),
        ("mg k N30 v k t c s f h l O1 E88\r\nmg k h c\r\n", "VA 0 kk t30 c88 s0 f0 h0 l0 O1 W\r\n\r\nHD h1 c88 Z\r\n"),
        ("ms k 1 T30\r\nx\r\nmg k R60 v\r\nmg k R60 v\r\nmg k R20 v\r\n", "HD\r\nVA 1 W\r\nx\r\nVA 1 Z\r\nx\r\nVA 1 Z\r\nx\r\n"),
        ("ms k 1 T30\r\nx\r\nmg k R20 v\r\nmg k R30\r\nmg k R31 t\r\n", "HD\r\nVA 1\r\nx\r\nHD\r\nHD t30 W\r\n"),
        ("ms k 1\r\nx\r\nmg k R60\r\nmg k R-1\r\nmg k R0\r\n", "HD\r\nHD\r\nHD\r\nHD\r\n"),
        ("ms k 1 T30\r\nx\r\nmg k T90 R60\r\nmg k R120 T30\r\n", "HD\r\nHD\r\nHD W\r\n"),
        ("ms k 2 I T-1\r\nxx\r\nmg k\r\n", "HD\r\nEN\r\n"),
        ("ms k 2 N30 v\r\nxx\r\nmg k t v\r\n", "HD\r\nVA 2 t-1\r\nxx\r\n"),
    ]);
}

#[test]
fn deletion() {
    check(&[
        (
            "ms k 1\r\nx\r\nmd k q\r\nmd k q\r\nmn\r\n",
            "HD\r\nNF\r\nMN\r\n",
        ),
        (
            "ms k 1 E5\r\nx\r\nmd k C6 k O1\r\nmd k C5 k O2\r\n",
            "HD\r\nEX kk O1\r\nHD kk O2\r\n",
        ),
        (
            "ms k 1 T100\r\nx\r\nmd k x\r\nmg k v t f c\r\n",
            "HD\r\nHD\r\nVA 0 t-1 f0 c1\r\n\r\n",
        ),
        (
            "ms k 1 T100 F7 E44\r\nx\r\nmd k x F5 T7\r\nmg k v t f\r\ngets k\r\n",
            "HD\r\nHD\r\nVA 0 t7 f5\r\n\r\nVALUE k 5 0 44\r\n\r\nEND\r\n",
        ),
    ]);
}

#[test]
fn storage() {
    check(&[
        ("ms k 1 MEE\r\nx\r\n", "HD\r\n"),
        ("ms k 1 MR\r\nx\r\n", "NS\r\n"),
        ("ms k 1 q k O5\r\nx\r\nmn\r\n", "MN\r\n"),
        ("ms k 1 MR q k O5\r\nx\r\nmn\r\n", "NS kk O5\r\nMN\r\n"),
        ("ms k 1 C5\r\nx\r\n", "NF\r\n"),
        ("ms k 1 E77 c\r\nx\r\ngets k\r\nms k 1 C77 E5 c\r\ny\r\ngets k\r\n", "HD c77\r\nVALUE k 0 1 77\r\nx\r\nEND\r\nHD c5\r\nVALUE k 0 1 5\r\ny\r\nEND\r\n"),
        ("ms k 1 ME c s k O1\r\nx\r\nms k 1 ME c s k O1 q\r\ny\r\nms k 1 MR C1 c s\r\nz\r\nms k 1 MS\r\nw\r\n", "HD c1 s1 kk O1\r\nNS c0 s1 kk O1\r\nHD c2 s1\r\nHD\r\n"),
        ("ms k 1 E5\r\nx\r\nmg k v C5\r\nmg k v C6 c\r\nmg k C5 v s t\r\n", "HD\r\nHD\r\nVA 1 c5\r\nx\r\nHD s1 t-1\r\n"),
    ]);
}

#[test]
fn debug() {
    check(&[
        ("set k 0 0 1\r\n5\r\nme k\r\nget k\r\nme k\r\nme k foo\r\n", "STORED\r\nME k exp=-1 la=0 cas=1 fetch=no cls=1 size=43\r\nVALUE k 0 1\r\n5\r\nEND\r\nME k exp=-1 la=0 cas=1 fetch=yes cls=1 size=43\r\nME k exp=-1 la=0 cas=1 fetch=yes cls=1 size=43\r\n"),
        ("set k 0 50 1\r\n5\r\nme k\r\n", "STORED\r\nME k exp=50 la=0 cas=1 fetch=no cls=1 size=43\r\n"),
    ]);
}

#[test]
fn retrieval() {
    check(&[
        ("mg k\r\n", "EN\r\n"),
        ("mg k v q\r\nmn\r\n", "MN\r\n"),
        ("mg YQ== b k O123\r\n", "EN kYQ== b O123\r\n"),
        ("mg k O1234567890123456789012345678901\r\n", "EN O1234567890123456789012345678901\r\n"),
        ("ms k 1 T0 F5\r\nx\r\nmg k s v t f k O9 c h l\r\nmg k h l t u\r\nmg k h\r\n", "HD\r\nVA 1 s1 t-1 f5 kk O9 c1 h0 l0\r\nx\r\nHD h1 l0 t-1\r\nHD h1\r\n"),
        ("ms k 1 F4294967295\r\nx\r\nmg k v f\r\n", "HD\r\nVA 1 f4294967295\r\nx\r\n"),
        ("ms YWJj 1 b k c s\r\nx\r\nmg abc k v\r\nmg YWJj b k v\r\nme abc\r\n", "HD kYWJj b c1 s1\r\nVA 1 kYWJj b\r\nx\r\nVA 1 kYWJj b\r\nx\r\nME YWJj exp=-1 la=0 cas=1 fetch=yes cls=1 size=45\r\n"),
        ("ms k 1 T30\r\nx\r\nmg k T60 t\r\nmg k t T0\r\nmg k t\r\nmg k T-1\r\nmg k\r\n", "HD\r\nHD t60\r\nHD t60\r\nHD t-1\r\nHD\r\nEN\r\n"),
        ("mg k q k\r\nmg k v k O7\r\nmn\r\n", "EN kk O7\r\nMN\r\n"),
        ("mg ab\0c k\r\n", "EN kab\0c\r\n"),
    ]);
}

/// A line refused takes its data with it; `T` holds although a reply with the
/// item's value is pending; `me` decodes keys; what `N` makes keeps its `b`.
#[test]
fn where_memcached_has_it_wrong() {
    check(&[
        ("ms k 1 -\r\nx\r\nmn\r\n", "CLIENT_ERROR bad command line format\r\nMN\r\n"),
        ("ma k N0 J10 q\r\nma k v q\r\nmg k v\r\nma k N60 J3 T90 t\r\nmg k t\r\n", "VA 2\r\n11\r\nHD t90\r\nHD t90\r\n"),
        ("me nok\r\nme\r\nme k b\r\nme YWJj b\r\n", "EN\r\nCLIENT_ERROR bad command line format\r\nCLIENT_ERROR bad command line format\r\nEN\r\n"),
        ("mg YWJj b N30 k\r\nmg abc k\r\n", "HD kYWJj b W\r\nHD kYWJj b Z\r\n"),
    ]);
}
