// SPDX-License-Identifier: GPL-2.0-only

//! Values that say whose they are, so that one in the wrong place is seen.

/// The value of `len` bytes for this version of this key: key, version and
/// length in clear, then bytes that follow from them. Any byte may occur.
pub(crate) fn make(key: &str, version: u64, len: usize) -> Vec<u8> {
    let mut value = format!("{key}:{version}:{len}:").into_bytes();
    let mut state = seed(&value);
    while value.len() < len {
        // xorshift64*: any stream that differs from key to key will do.
        state ^= state >> 12;
        state ^= state << 25;
        state ^= state >> 27;
        let word = state.wrapping_mul(0x2545_f491_4f6c_dd1d);
        value.extend_from_slice(&word.to_be_bytes());
    }
    value.truncate(len);
    value
}

/// FNV-1a, made odd since the generator must not start from 0.
fn seed(bytes: &[u8]) -> u64 {
    let step = |hash: u64, &byte: &u8| (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3);
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, step) | 1
}

/// The version of `key` that `value` holds, or what is wrong with it.
pub(crate) fn version(key: &str, value: &[u8]) -> Result<u64, String> {
    let mut parts = value.splitn(4, |&b| b == b':');
    let text =
        |part: Option<&[u8]>| part.and_then(|p| std::str::from_utf8(p).ok().map(str::to_owned));
    let (owner, version) = (text(parts.next()), text(parts.next()));
    let owner = owner.unwrap_or_default();
    if owner != key {
        return Err(format!("the value of '{}' at {key}", owner.escape_debug()));
    }
    let version = version.and_then(|v| v.parse().ok());
    let version = version.ok_or_else(|| format!("a value without a version at {key}"))?;
    compare(&make(key, version, value.len()), value).map_err(|e| format!("{key}: {e}"))?;
    Ok(version)
}

/// Says where two values part.
pub(crate) fn compare(expected: &[u8], got: &[u8]) -> Result<(), String> {
    if expected == got {
        return Ok(());
    }
    let at = expected.iter().zip(got).take_while(|(a, b)| a == b).count();
    Err(format!(
        "{} bytes expected, {} got, different from byte {at} on",
        expected.len(),
        got.len()
    ))
}

/// A `set` of `data` as one request.
pub(crate) fn set(key: &str, flags: u32, data: &[u8]) -> Vec<u8> {
    let mut request = format!("set {key} {flags} 0 {}\r\n", data.len()).into_bytes();
    request.extend_from_slice(data);
    request.extend_from_slice(b"\r\n");
    request
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_knows_its_key_and_version() {
        for len in [20, 100, 60_000] {
            let value = make("key", 7, len);
            assert_eq!(value.len(), len);
            assert_eq!(version("key", &value), Ok(7));
            assert!(version("kex", &value).is_err());
        }
    }

    #[test]
    fn one_wrong_byte_is_seen() {
        let mut value = make("key", 7, 1000);
        value[999] ^= 1;
        let fault = version("key", &value).unwrap_err();
        assert!(fault.contains("from byte 999"), "{fault}");
    }
}
