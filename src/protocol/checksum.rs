//! Checksums by their standard names: the catalogue of the `crc` crate (as `CRC-16/MODBUS`), and the sums of small devices.
//!
//! What a checksum covers and where it stands says [`super::framing`]. "CRC16-CCITT" is four different things, so only the
//! catalogue's names are known. Its one entry wider than 64 bits (CRC-82/DARC) is left out.

use crc::{Crc, Table};
use std::sync::LazyLock;

/// One checksum.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Algorithm {
    /// Low byte of the sum.
    Sum8,
    /// The sum's low byte with every bit turned.
    Sum8Inverted,
    /// Low two bytes of the sum.
    Sum16,
    /// The sum's remainder by 2 to 256, in one byte.
    SumModulo(u16),
    /// All bytes exclusive-or'ed.
    Xor8,
    /// Two's complement of the sum: sum and LRC add up to zero.
    Lrc,
    /// A place in `CATALOGUE`.
    Crc(usize),
}

struct Entry {
    constant: &'static str,
    bits: u8,
    compute: fn(&[u8]) -> u64,
    check: u64,
}

macro_rules! catalogue {
    ($($word:ident: [$($name:ident)+])+) => {
        const CATALOGUE: &[Entry] = &[$($(Entry {
            constant: stringify!($name),
            bits: crc::$name.width,
            compute: |bytes| {
                // Sixteen bytes at a step; a protocol uses one of them, so its table is made when it is first asked for.
                static TABLE: LazyLock<Crc<$word, Table<16>>> = LazyLock::new(|| Crc::<$word, Table<16>>::new(&crc::$name));
                u64::from(TABLE.checksum(bytes))
            },
            check: crc::$name.check as u64,
        }),+),+];
    };
}

catalogue! {
    u8: [
        CRC_3_GSM CRC_3_ROHC CRC_4_G_704 CRC_4_INTERLAKEN CRC_5_EPC_C1G2 CRC_5_G_704 CRC_5_USB CRC_6_CDMA2000_A
        CRC_6_CDMA2000_B CRC_6_DARC CRC_6_G_704 CRC_6_GSM CRC_7_MMC CRC_7_ROHC CRC_7_UMTS CRC_8_AUTOSAR
        CRC_8_BLUETOOTH CRC_8_CDMA2000 CRC_8_DARC CRC_8_DVB_S2 CRC_8_GSM_A CRC_8_GSM_B CRC_8_HITAG CRC_8_I_432_1
        CRC_8_I_CODE CRC_8_LTE CRC_8_MAXIM_DOW CRC_8_MIFARE_MAD CRC_8_NRSC_5 CRC_8_OPENSAFETY CRC_8_ROHC
        CRC_8_SAE_J1850 CRC_8_SMBUS CRC_8_TECH_3250 CRC_8_WCDMA
    ]
    u16: [
        CRC_10_ATM CRC_10_CDMA2000 CRC_10_GSM CRC_11_FLEXRAY CRC_11_UMTS CRC_12_CDMA2000 CRC_12_DECT CRC_12_GSM
        CRC_12_UMTS CRC_13_BBC CRC_14_DARC CRC_14_GSM CRC_15_CAN CRC_15_MPT1327 CRC_16_ARC CRC_16_CDMA2000
        CRC_16_CMS CRC_16_DDS_110 CRC_16_DECT_R CRC_16_DECT_X CRC_16_DNP CRC_16_EN_13757 CRC_16_GENIBUS CRC_16_GSM
        CRC_16_IBM_3740 CRC_16_IBM_SDLC CRC_16_ISO_IEC_14443_3_A CRC_16_KERMIT CRC_16_LJ1200 CRC_16_M17
        CRC_16_MAXIM_DOW CRC_16_MCRF4XX CRC_16_MODBUS CRC_16_NRSC_5 CRC_16_OPENSAFETY_A CRC_16_OPENSAFETY_B
        CRC_16_PROFIBUS CRC_16_RIELLO CRC_16_SPI_FUJITSU CRC_16_T10_DIF CRC_16_TELEDISK CRC_16_TMS37157 CRC_16_UMTS
        CRC_16_USB CRC_16_XMODEM
    ]
    u32: [
        CRC_17_CAN_FD CRC_21_CAN_FD CRC_24_BLE CRC_24_FLEXRAY_A CRC_24_FLEXRAY_B CRC_24_INTERLAKEN CRC_24_LTE_A
        CRC_24_LTE_B CRC_24_OPENPGP CRC_24_OS_9 CRC_30_CDMA CRC_31_PHILIPS CRC_32_AIXM CRC_32_AUTOSAR
        CRC_32_BASE91_D CRC_32_BZIP2 CRC_32_CD_ROM_EDC CRC_32_CKSUM CRC_32_ISCSI CRC_32_ISO_HDLC CRC_32_JAMCRC
        CRC_32_MEF CRC_32_MPEG_2 CRC_32_XFER
    ]
    u64: [
        CRC_40_GSM CRC_64_ECMA_182 CRC_64_GO_ISO CRC_64_MS CRC_64_NVME CRC_64_REDIS CRC_64_WE CRC_64_XZ
    ]
}

/// Names of the sums, in the order of this page; the remainder is written with its number.
const SUMS: [(&str, Algorithm); 5] = [
    ("sum8", Algorithm::Sum8),
    ("sum8-inverted", Algorithm::Sum8Inverted),
    ("sum16", Algorithm::Sum16),
    ("xor8", Algorithm::Xor8),
    ("lrc", Algorithm::Lrc),
];

const MODULO: &str = "sum-modulo-";

impl Algorithm {
    /// Finds an algorithm by its name in a protocol file.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        if let Some(number) = name.strip_prefix(MODULO) {
            return number.parse().ok().filter(|modulus| (2..=256).contains(modulus)).map(Self::SumModulo);
        }
        let sum = SUMS.iter().find(|(known, _)| *known == name).map(|(_, sum)| *sum);
        sum.or_else(|| CATALOGUE.iter().position(|entry| standard_name(entry.constant) == name).map(Self::Crc))
    }

    /// Every name there is; of the remainders one stands for all.
    pub fn names() -> impl Iterator<Item = String> {
        let sums = SUMS.iter().map(|(name, _)| (*name).to_owned()).chain([format!("{MODULO}100")]);
        sums.chain(CATALOGUE.iter().map(|e| standard_name(e.constant)))
    }

    #[must_use]
    pub fn name(self) -> String {
        match self {
            Self::Crc(at) => standard_name(CATALOGUE[at].constant),
            Self::SumModulo(modulus) => format!("{MODULO}{modulus}"),
            sum => SUMS.iter().find(|(_, known)| *known == sum).map_or("", |(name, _)| name).to_owned(),
        }
    }

    /// Whole bytes it takes in a frame.
    #[must_use]
    pub fn bytes(self) -> usize {
        match self {
            Self::Sum8 | Self::Sum8Inverted | Self::SumModulo(_) | Self::Xor8 | Self::Lrc => 1,
            Self::Sum16 => 2,
            Self::Crc(at) => usize::from(CATALOGUE[at].bits).div_ceil(8),
        }
    }

    /// What it makes of the ASCII text `123456789`: compare with the manual to be sure of the name.
    #[must_use]
    pub fn check_value(self) -> u64 {
        match self {
            Self::Crc(at) => CATALOGUE[at].check,
            _ => self.compute(b"123456789"),
        }
    }

    #[must_use]
    pub fn compute(self, bytes: &[u8]) -> u64 {
        let sum = || bytes.iter().fold(0_u8, |sum, byte| sum.wrapping_add(*byte));
        let whole = || bytes.iter().map(|byte| u64::from(*byte)).sum::<u64>();
        match self {
            Self::Sum8 => u64::from(sum()),
            Self::Sum8Inverted => u64::from(!sum()),
            Self::Sum16 => whole() & 0xFFFF,
            Self::SumModulo(modulus) => whole() % u64::from(modulus),
            Self::Lrc => u64::from(sum().wrapping_neg()),
            Self::Xor8 => u64::from(bytes.iter().fold(0, |all, byte| all ^ byte)),
            Self::Crc(at) => (CATALOGUE[at].compute)(bytes),
        }
    }
}

/// `CRC_16_IBM_3740` is `CRC-16/IBM-3740` in the catalogue and in protocol files.
fn standard_name(constant: &str) -> String {
    let mut parts = constant.splitn(3, '_');
    let (crc, bits, rest) = (parts.next(), parts.next(), parts.next());
    format!("{}-{}/{}", crc.unwrap_or_default(), bits.unwrap_or_default(), rest.unwrap_or_default().replace('_', "-"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_entry_of_the_catalogue_keeps_its_check_value() {
        assert_eq!(CATALOGUE.len(), 112);
        for entry in CATALOGUE {
            assert_eq!((entry.compute)(b"123456789"), entry.check, "{}", entry.constant);
        }
    }

    #[test]
    fn every_name_is_found_again() {
        for name in Algorithm::names() {
            assert_eq!(Algorithm::named(&name).map(Algorithm::name), Some(name));
        }
        assert_eq!(Algorithm::named("crc16"), None);
    }

    #[test]
    fn sums_of_bytes() {
        assert_eq!(Algorithm::Sum8Inverted.compute(&[0xFF, 0x02]), 0xFE);
        assert_eq!(Algorithm::Sum16.compute(&[0xFF; 258]), 0x00FE);
        assert_eq!(Algorithm::named("sum-modulo-95").unwrap().compute(&[90, 10]), 5);
        assert_eq!(Algorithm::named("sum-modulo-257"), None);
        assert_eq!(Algorithm::Sum8.compute(&[0xFF, 0x02]), 0x01);
        assert_eq!(Algorithm::Lrc.compute(&[0xFF, 0x02]), 0xFF);
        assert_eq!(Algorithm::Xor8.compute(&[0xFF, 0x0F]), 0xF0);
    }
}
