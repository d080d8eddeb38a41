//! How people spell register values and bindings on a command line or in a form.

use domovoi_model::{Binding, DeviceRef, RegisterValues, Tariff, Unit};
use rust_decimal::Decimal;

/// Reads `T1,T2,…` as a person writes them: a comma or a semicolon between registers, a point before the decimals. Of a
/// meter with one register a comma is the decimal sign, as on its face.
pub fn parse_values(text: &str, tariffs: u8) -> Result<RegisterValues, String> {
    let one = tariffs <= 1 && text.matches(',').count() == 1;
    let parts: Vec<&str> =
        if text.contains(';') || one { text.split(';').collect() } else { text.split(',').collect() };
    if parts.len() > 4 {
        return Err(format!("«{text}»: a meter has at most four registers"));
    }
    let mut values = RegisterValues::default();
    for (tariff, part) in Tariff::ALL.into_iter().zip(parts) {
        let part = part.trim().replace(',', ".");
        let value: Decimal = part.parse().map_err(|_| format!("«{part}» is not a number as a meter shows it"))?;
        if value.is_sign_negative() {
            return Err(format!("«{part}»: a register is never negative"));
        }
        values.set(tariff, value);
    }
    Ok(values)
}

/// Reads `DIALECT:ID` and `t1=property` pairs into a binding.
pub fn parse_binding(device: &str, registers: &[String], unit: Option<&str>) -> Result<Binding, String> {
    let device =
        DeviceRef::parse(device).ok_or_else(|| format!("«{device}»: expected DIALECT:ID, as wmbusmeters:12345699"))?;
    let mut pairs = Vec::new();
    for register in registers {
        let (tariff, property) = register
            .split_once('=')
            .and_then(|(tariff, property)| Some((Tariff::from_code(tariff.trim())?, property.trim())))
            .filter(|(_, property)| !property.is_empty())
            .ok_or_else(|| format!("«{register}»: expected TARIFF=PROPERTY, as t1=total_m3"))?;
        if pairs.iter().any(|(known, _)| *known == tariff) {
            return Err(format!("{tariff} is bound twice"));
        }
        pairs.push((tariff, property.to_owned()));
    }
    if pairs.is_empty() {
        return Err("a device needs at least one --register, as t1=total_m3".into());
    }
    let unit = unit
        .map(|text| Unit::parse(text).ok_or_else(|| format!("«{text}» is not a unit the house knows")))
        .transpose()?;
    Ok(Binding { device, registers: pairs, unit })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_read_as_people_write_them() {
        let t = |text: &str| parse_values(text, 4).map(|v| v.iter().map(|(_, v)| v.to_string()).collect::<Vec<_>>());
        assert_eq!(t("123.456").unwrap(), ["123.456"]);
        assert_eq!(t("1, 2 ,3").unwrap(), ["1", "2", "3"]);
        assert_eq!(t("1,5; 2,5").unwrap(), ["1.5", "2.5"]);
        let one = |text: &str| parse_values(text, 1).map(|v| v.iter().map(|(_, v)| v.to_string()).collect::<Vec<_>>());
        assert_eq!(one("100,5").unwrap(), ["100.5"], "a meter with one register writes its decimals so");
        assert_eq!(one("1,2,3").unwrap().len(), 3, "told apart later: this meter has no T2");
        assert!(t("-1").is_err() && t("abc").is_err() && t("1;2;3;4;5").is_err() && t("NaN").is_err());
    }

    #[test]
    fn a_binding_names_each_register_once() {
        let bind = |registers: &[&str]| {
            parse_binding("tasmota:AABB", &registers.iter().map(|r| r.to_string()).collect::<Vec<_>>(), None)
        };
        assert_eq!(bind(&["t1=energy_total"]).unwrap().registers, [(Tariff::T1, "energy_total".to_owned())]);
        assert!(bind(&[]).is_err() && bind(&["t1=a", "T1=b"]).is_err() && bind(&["t9=a"]).is_err());
        assert!(parse_binding("nonsense", &["t1=a".into()], None).is_err());
        assert!(parse_binding("a:b", &["t1=a".into()], Some("furlong")).is_err());
    }
}
