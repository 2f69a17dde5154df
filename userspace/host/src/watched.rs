// SPDX-License-Identifier: GPL-2.0-only
//! Tells whoever watches this process which memory nobody may touch. A store's
//! region is one mapping: without this, what goes wrong inside of it is not seen.
//!
//! `scripts/instrumented` says who watches, by `--cfg watched_by`; else these are
//! nothing. What they note has no effect on memory, whatever address they are given.

#[cfg(watched_by = "address")]
mod ask {
    use std::ffi::c_void;

    extern "C" {
        fn __asan_poison_memory_region(start: *const c_void, len: usize);
        fn __asan_unpoison_memory_region(start: *const c_void, len: usize);
    }

    pub(crate) fn unused(start: *const u8, len: usize) {
        // SAFETY: only AddressSanitizer's notes change.
        unsafe { __asan_poison_memory_region(start.cast(), len) }
    }

    pub(crate) fn used(start: *const u8, len: usize) {
        // SAFETY: only AddressSanitizer's notes change.
        unsafe { __asan_unpoison_memory_region(start.cast(), len) }
    }
}

#[cfg(watched_by = "valgrind")]
mod ask {
    use std::arch::asm;

    /// Memcheck's requests (`valgrind/memcheck.h`): the first of them is called after
    /// the tool.
    const NO_ACCESS: usize = 0x4d43_0000;
    const UNDEFINED: usize = NO_ACCESS + 1;

    /// The instructions that valgrind knows a request by, see "client requests" in
    /// `valgrind/valgrind.h`; to the processor they do nothing.
    fn ask(request: usize, start: *const u8, len: usize) {
        let arguments = [request, start.addr(), len, 0, 0, 0];
        // SAFETY: rdi is turned by 128 bits in all, rbx exchanged with itself.
        // Valgrind reads the arguments, and answers in rdx.
        unsafe {
            asm!(
                "rol rdi, 3",
                "rol rdi, 13",
                "rol rdi, 61",
                "rol rdi, 51",
                "xchg rbx, rbx",
                in("rax") arguments.as_ptr(),
                inout("rdx") 0usize => _,
                options(nostack)
            );
        }
    }

    pub(crate) fn unused(start: *const u8, len: usize) {
        ask(NO_ACCESS, start, len);
    }

    pub(crate) fn used(start: *const u8, len: usize) {
        ask(UNDEFINED, start, len);
    }
}

#[cfg(not(any(watched_by = "address", watched_by = "valgrind")))]
mod ask {
    #[inline(always)]
    pub(crate) fn unused(_start: *const u8, _len: usize) {}

    #[inline(always)]
    pub(crate) fn used(_start: *const u8, _len: usize) {}
}

pub(crate) use ask::{unused, used};
