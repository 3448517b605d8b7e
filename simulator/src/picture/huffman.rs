//! The entropy coding of JPEG: the tables that the standard suggests, and bits.

/// A Huffman table as a DHT segment has it: how many codes there are of each length, and what they stand for.
pub(super) struct Table {
    /// Class and number.
    pub id: u8,
    pub lengths: [u8; 16],
    pub symbols: &'static [u8],
}

const DC_SYMBOLS: &[u8] = &[0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11];

/// ITU-T T.81, annex K.3: of luminance and chrominance, DC and AC.
pub(super) const LUMA_DC: Table =
    Table { id: 0x00, lengths: [0, 1, 5, 1, 1, 1, 1, 1, 1, 0, 0, 0, 0, 0, 0, 0], symbols: DC_SYMBOLS };
pub(super) const CHROMA_DC: Table =
    Table { id: 0x01, lengths: [0, 3, 1, 1, 1, 1, 1, 1, 1, 1, 1, 0, 0, 0, 0, 0], symbols: DC_SYMBOLS };
pub(super) const LUMA_AC: Table = Table {
    id: 0x10,
    lengths: [0, 2, 1, 3, 3, 2, 4, 3, 5, 5, 4, 4, 0, 0, 1, 0x7d],
    symbols: b"\x01\x02\x03\x00\x04\x11\x05\x12\x21\x31\x41\x06\x13\x51\x61\x07\x22\x71\x14\x32\x81\x91\xa1\x08\x23\x42\xb1\xc1\x15\x52\xd1\xf0\
        \x24\x33\x62\x72\x82\x09\x0a\x16\x17\x18\x19\x1a\x25\x26\x27\x28\x29\x2a\x34\x35\x36\x37\x38\x39\x3a\x43\x44\x45\x46\x47\x48\x49\
        \x4a\x53\x54\x55\x56\x57\x58\x59\x5a\x63\x64\x65\x66\x67\x68\x69\x6a\x73\x74\x75\x76\x77\x78\x79\x7a\x83\x84\x85\x86\x87\x88\x89\
        \x8a\x92\x93\x94\x95\x96\x97\x98\x99\x9a\xa2\xa3\xa4\xa5\xa6\xa7\xa8\xa9\xaa\xb2\xb3\xb4\xb5\xb6\xb7\xb8\xb9\xba\xc2\xc3\xc4\xc5\
        \xc6\xc7\xc8\xc9\xca\xd2\xd3\xd4\xd5\xd6\xd7\xd8\xd9\xda\xe1\xe2\xe3\xe4\xe5\xe6\xe7\xe8\xe9\xea\xf1\xf2\xf3\xf4\xf5\xf6\xf7\xf8\
        \xf9\xfa",
};
pub(super) const CHROMA_AC: Table = Table {
    id: 0x11,
    lengths: [0, 2, 1, 2, 4, 4, 3, 4, 7, 5, 4, 4, 0, 1, 2, 0x77],
    symbols: b"\x00\x01\x02\x03\x11\x04\x05\x21\x31\x06\x12\x41\x51\x07\x61\x71\x13\x22\x32\x81\x08\x14\x42\x91\xa1\xb1\xc1\x09\x23\x33\x52\xf0\
        \x15\x62\x72\xd1\x0a\x16\x24\x34\xe1\x25\xf1\x17\x18\x19\x1a\x26\x27\x28\x29\x2a\x35\x36\x37\x38\x39\x3a\x43\x44\x45\x46\x47\x48\
        \x49\x4a\x53\x54\x55\x56\x57\x58\x59\x5a\x63\x64\x65\x66\x67\x68\x69\x6a\x73\x74\x75\x76\x77\x78\x79\x7a\x82\x83\x84\x85\x86\x87\
        \x88\x89\x8a\x92\x93\x94\x95\x96\x97\x98\x99\x9a\xa2\xa3\xa4\xa5\xa6\xa7\xa8\xa9\xaa\xb2\xb3\xb4\xb5\xb6\xb7\xb8\xb9\xba\xc2\xc3\
        \xc4\xc5\xc6\xc7\xc8\xc9\xca\xd2\xd3\xd4\xd5\xd6\xd7\xd8\xd9\xda\xe2\xe3\xe4\xe5\xe6\xe7\xe8\xe9\xea\xf2\xf3\xf4\xf5\xf6\xf7\xf8\
        \xf9\xfa",
};

/// The code and its length in bits of every symbol of a table.
pub(super) struct Codes([(u16, u8); 256]);

impl Table {
    pub(super) fn codes(&self) -> Codes {
        let mut codes = [(0, 0); 256];
        let (mut code, mut symbols) = (0u16, self.symbols.iter());
        for (length, count) in (1u8..).zip(self.lengths) {
            for symbol in symbols.by_ref().take(usize::from(count)) {
                if let Some(of) = codes.get_mut(usize::from(*symbol)) {
                    *of = (code, length);
                }
                code = code.wrapping_add(1);
            }
            code = code.wrapping_shl(1);
        }
        Codes(codes)
    }
}

/// Writes bits, the highest first, and a zero after each byte that could be taken for a marker.
#[derive(Default)]
pub(super) struct BitWriter {
    bytes: Vec<u8>,
    pending: u32,
    count: u32,
}

impl BitWriter {
    fn put(&mut self, bits: u16, count: u8) {
        self.pending = self.pending << count | u32::from(bits);
        self.count += u32::from(count);
        while self.count >= 8 {
            let byte = (self.pending >> (self.count - 8)) as u8;
            self.bytes.push(byte);
            if byte == 0xff {
                self.bytes.push(0);
            }
            self.count -= 8;
            self.pending &= (1 << self.count) - 1;
        }
    }

    /// Writes a number of a block: how many zeros are before it, how many bits it has, and these bits.
    pub(super) fn put_number(&mut self, codes: &Codes, zeros: u8, number: i16) {
        let bits = (16 - number.unsigned_abs().leading_zeros()) as u8;
        self.put_symbol(codes, zeros << 4 | bits);
        let value = if number < 0 { number.wrapping_sub(1) } else { number };
        self.put(value as u16 & ((1u32 << bits) - 1) as u16, bits);
    }

    pub(super) fn put_symbol(&mut self, codes: &Codes, symbol: u8) {
        let (code, length) = codes.0.get(usize::from(symbol)).copied().unwrap_or_default();
        self.put(code, length);
    }

    /// What was written, the last byte filled up with ones.
    pub(super) fn finish(mut self) -> Vec<u8> {
        if self.count > 0 {
            let missing = (8 - self.count) as u8;
            self.put((1 << missing) - 1, missing);
        }
        self.bytes
    }
}
