// SPDX-License-Identifier: GPL-2.0-only
//! Every limit of the core, in one place. Sizes are bytes unless a name says
//! otherwise; times are seconds.

/// Longest key (`doc/protocol.txt`: "currently set at 250 characters").
pub const KEY_MAX: usize = 250;

/// Largest item as memcached counts it, its own header included. The largest
/// value with a one-byte key is therefore 1,048,516 bytes.
pub const ITEM_MAX: usize = 1 << 20;

/// The smallest that [`ITEM_MAX`] may be made.
pub const ITEM_MAX_MIN: usize = 1 << 10;

/// What memcached adds to key, flags and data when it compares an item with
/// [`ITEM_MAX`]: its header (48), the cas number (8) and the key's NUL (1).
pub const ITEM_OVERHEAD: usize = 57;

/// What memcached adds for client flags other than 0.
pub const ITEM_FLAGS: usize = 4;

/// Shortest command line that is looked at, its newline included.
pub const LINE_MIN: usize = 4;

/// Longest command line of a stream, its newline included, that is not a list
/// of keys. A datagram's lines are as long as the datagram allows.
pub const LINE_MAX: usize = 2049;

/// Most words of a meta command, its name and its key among them.
pub const META_WORDS_MAX: usize = 20;

/// Longest opaque of a meta command, its letter included.
pub const OPAQUE_MAX: usize = 32;

/// Room for whatever a meta command answers without data: a key in base 64, an
/// opaque, and seven flags with numbers.
pub const META_REPLY_MAX: usize = 640;

/// Shortest line of a dump that there is.
pub const DUMP_LINE_MIN: usize = b"mg k\r\n".len();

/// Most pairs of hash chains that are dumped: what one request may make us look at.
pub const DUMP_PAIRS: u64 = 1 << 19;

/// Pairs of hash chains that one request may have crawled.
pub const CRAWL_MAX: usize = 1 << 11;

/// Client flags of an item.
pub const FLAGS_LEN: usize = 4;

/// Longest data block a command line may announce, without its CRLF.
pub const DATA_MAX: u64 = i32::MAX as u64 - 2;

/// Largest reply datagram: frame header and text.
pub const DATAGRAM_MAX: usize = 1400;

/// Frame header in front of the text of every datagram, both ways.
pub const FRAME_LEN: usize = 8;

/// Text in one reply datagram.
pub const TEXT_MAX: usize = DATAGRAM_MAX - FRAME_LEN;

/// Largest request: what one UDP datagram over IPv4 can carry.
pub const REQUEST_MAX: usize = 65_507;

/// Kept free in every reply for the line that says the reply did not fit, and
/// for the short answer to a command that was already executed.
pub const LINE_ROOM: usize = 128;

/// Text of one reply, all its datagrams together. A `gets` of the largest item
/// always fits, with its `END` and with [`LINE_ROOM`] to spare; the number of
/// datagrams (755) stays far below the 65,535 that a frame header can count.
pub const REPLY_MAX: usize = ITEM_MAX + 4096;

/// Input of one stream that a host should be able to hold: the longest command
/// line that is not a list of keys, with the largest item behind it; or a list
/// of keys of that length.
pub const INPUT_MAX: usize = ITEM_MAX + 4096;

/// Reply buffer for a stream: answers are gathered until this much above
/// [`REPLY_MAX`] is used, and then sent.
pub const STREAM_REPLY: usize = REPLY_MAX + (64 << 10);

/// Smallest memory region a store accepts.
pub const MEMORY_MIN: usize = 1 << 20;

/// Largest memory region a store accepts: item references are 32 bits, in
/// units of eight bytes.
pub const MEMORY_MAX: usize = 1 << 35;

/// What a host's memory comes in: what a store takes besides its region is rounded
/// up to so much, and its pages begin at a multiple of it.
pub const HOST_PAGE: usize = 4096;

/// Largest exptime that counts from now; above it, it is a Unix time.
pub const RELATIVE_MAX: i64 = 60 * 60 * 24 * 30;

/// Most workers a host may run, hence most [`crate::Counters`].
pub const WORKERS_MAX: usize = 64;

/// Smallest and largest page that the store hands to a size class.
pub const PAGE_MIN: usize = 128 << 10;
/// See [`PAGE_MIN`].
pub const PAGE_MAX: usize = 1 << 20;

/// Smallest and largest room for key, flags and data in the smallest chunk.
pub const MIN_CHUNK_MIN: usize = 16;
/// See [`MIN_CHUNK_MIN`].
pub const MIN_CHUNK_MAX: usize = 4096;

/// Smallest chunk of a size class: [`MIN_CHUNK_MIN`] behind a header.
pub const CHUNK_MIN: usize = 32 + MIN_CHUNK_MIN;

/// How large a class's chunks may be in hundredths of the next smaller ones':
/// at least so many that [`CLASSES_MAX`] classes are enough.
pub const GROWTH_MIN: usize = 110;
/// See [`GROWTH_MIN`].
pub const GROWTH_MAX: usize = 400;

/// Most size classes.
pub const CLASSES_MAX: usize = 63;

/// Chunks of the largest class that go into a page. What is larger goes into a
/// chain of chunks.
pub const CHUNKS_PER_PAGE: usize = 16;

/// Chunks of a chain, if it need not have more: so many waste 3 % at most.
pub const CHAIN_MAX: usize = 32;

/// Bytes of a moving page that are copied at a time, unless a single chunk is
/// more.
pub const MOVE_BYTES: usize = 64 << 10;

/// What part of its pages one item may take.
pub const ITEM_SHARE: usize = 4;

/// Largest chunk that is set aside for a CPU.
pub const RESERVE_CHUNK_MAX: usize = 4 << 10;

/// What a CPU's chunks that are set aside take at most, with classes growing by a
/// quarter.
pub const RESERVE_BYTES: usize = 32 << 10;

/// What part of the memory may be set aside: a 64th, or one CPU's share.
pub const RESERVE_SHARE: usize = 64;

/// Most CPUs that have chunks of their own; a power of two.
pub const RESERVES_MAX: usize = 64;

/// Most shards of the orders of use; a power of two.
pub const SHARDS_MAX: usize = 8;

/// Memory for each of them, at least: what a shard takes besides is a few KiB.
pub const SHARD_MEMORY: usize = 512 << 10;

/// Chunks of each page that a shard has at least; a class of larger ones is in fewer
/// shards.
pub const SHARD_CHUNKS: usize = 32;

/// In a row a CPU evicts at most so many items of one shard...
pub const TURN_MAX: u32 = 64;

/// ...and no more than this part of it, by a power of two.
pub const TURN_SHARE: u32 = 32;

/// Smallest chunk whose item can be pinned: less is copied in less time than
/// that takes.
pub const PIN_CHUNK_MIN: usize = 1 << 10;

/// What part of a store's memory may be pinned: an eighth, so that receivers who
/// are slow hold up replies, not the store.
pub const PINNED_SHARE: usize = 8;

/// How many times around a page that is to move is waited for pins to go.
pub const PINNED_ROUNDS: u32 = 16;

/// How many items are looked at for one in another page than the one that could
/// not be moved last.
pub const PAGE_TRIES: usize = 64;

/// Most stripes of the table.
pub const STRIPES_MAX: usize = 4096;

/// How many items from the old end of each segment of a class are looked at for
/// one that may go.
pub const TAIL_TRIES: usize = 5;

/// How often a change is decided anew because a stripe was in use, or because a
/// page had to be fetched.
pub const UPDATE_TRIES: usize = 100;

/// So often an update just waits for a stripe, before it does so as the only one.
pub const STRIPE_TRIES: usize = 4;

/// Chunks of a moving page that are emptied at a time.
pub const MOVE_CHUNKS: usize = 32;

/// How many times that is done by who waits for a page: five times around the
/// page with the smallest chunks.
pub const MOVE_STEPS: usize = 5 * PAGE_MAX / CHUNK_MIN / MOVE_CHUNKS;

/// How many times in vain, before all are waited for who have something in hand...
pub const MOVE_PATIENCE: usize = 8;

/// ...and before something else is tried.
pub const MOVE_IDLE: usize = 20 * MOVE_PATIENCE;

/// Pairs of chains that are crawled beside a store.
pub const CRAWL_PAIRS: u32 = 1;

/// Seconds in which stores, if there are enough, crawl the whole table.
pub const CRAWL_SECONDS: u64 = 64;

const _: () = assert!(REPLY_MAX.div_ceil(TEXT_MAX) <= u16::MAX as usize);
