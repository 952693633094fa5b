//! Exact decimal numbers with a unit: no floating noise between a text and its integer.

use super::UnitError;
use crate::text::excerpt;

/// What a parser of `number unit` needs to know of its quantity.
pub(super) struct Quantity {
    pub(super) what: &'static str,
    pub(super) example: &'static str,
    pub(super) units: &'static str,
    pub(super) scale: fn(&str) -> Option<u128>,
}

impl Quantity {
    /// Reads one `number unit` and yields it in the smallest unit, exactly.
    pub(super) fn parse_one(&self, text: &str) -> Result<u128, UnitError> {
        let (value, rest) = self.parse_prefix(text.trim(), text)?;
        if rest.is_empty() { Ok(value) } else { Err(self.malformed(text)) }
    }

    /// Reads `1m30s`: several `number unit` in a row, summed.
    pub(super) fn parse_sum(&self, text: &str) -> Result<u128, UnitError> {
        let mut rest = text.trim();
        let mut sum = 0_u128;
        loop {
            let (value, tail) = self.parse_prefix(rest, text)?;
            sum = sum.checked_add(value).ok_or_else(|| self.overflow(text))?;
            if tail.is_empty() {
                return Ok(sum);
            }
            rest = tail;
        }
    }

    fn parse_prefix<'a>(&self, text: &'a str, whole: &str) -> Result<(u128, &'a str), UnitError> {
        if text.starts_with('-') {
            return Err(UnitError::Negative { what: self.what, value: excerpt(whole) });
        }
        let number_end = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
        let (number, tail) = text.split_at(number_end);
        let tail = tail.trim_start();
        let unit_end = tail.find(|c: char| c.is_ascii_digit() || c.is_whitespace()).unwrap_or(tail.len());
        let (unit, rest) = tail.split_at(unit_end);
        if !number.bytes().any(|byte| byte.is_ascii_digit()) || number.matches('.').count() > 1 {
            return Err(self.malformed(whole));
        }
        if exponent(unit) {
            return Err(self.overflow(whole));
        }
        let scale = self.scale_of(unit, whole)?;
        let value = decimal(number, scale).ok_or_else(|| self.overflow(whole))?;
        Ok((value, rest.trim_start()))
    }

    fn scale_of(&self, unit: &str, whole: &str) -> Result<u128, UnitError> {
        if unit.is_empty() {
            return Err(UnitError::MissingUnit { what: self.what, value: excerpt(whole), units: self.units });
        }
        (self.scale)(unit).ok_or_else(|| UnitError::BadUnit {
            what: self.what,
            value: excerpt(whole),
            unit: excerpt(unit),
            units: self.units,
        })
    }

    pub(super) fn overflow(&self, text: &str) -> UnitError {
        UnitError::Overflow {
            what: self.what,
            value: excerpt(text),
            rule: "write a plain decimal number within the unit's range",
        }
    }

    fn malformed(&self, text: &str) -> UnitError {
        UnitError::Malformed { what: self.what, value: excerpt(text), example: self.example }
    }
}

fn exponent(unit: &str) -> bool {
    unit == "e" || unit == "E" || unit == "e-" || unit == "e+"
}

/// `digits[.digits] * scale` when that is a whole number.
fn decimal(number: &str, scale: u128) -> Option<u128> {
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    let digits = format!("{whole}{}", fraction.trim_end_matches('0'));
    let places = u32::try_from(fraction.trim_end_matches('0').len()).ok()?;
    let product = digits.parse::<u128>().ok()?.checked_mul(scale)?;
    let divisor = 10_u128.checked_pow(places)?;
    (product % divisor == 0).then_some(product / divisor)
}

/// The largest unit of which `value` is a whole multiple.
pub(super) fn largest_unit(value: u128, units: &[(&'static str, u128)]) -> (u128, &'static str) {
    units
        .iter()
        .find(|(_, scale)| value != 0 && value.is_multiple_of(*scale))
        .map_or((value, units[units.len() - 1].0), |(name, scale)| (value / scale, name))
}
