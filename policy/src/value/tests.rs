use super::{Decimal, Moment, Network, address};

#[test]
fn numbers_are_exact() {
    assert!(Decimal::parse("9007199254740993") > Decimal::parse("9007199254740992"));
    assert_eq!(Decimal::parse("1.50"), Decimal::parse("1.5"));
    assert_eq!(Decimal::parse("-0"), Decimal::parse("0"));
    assert_eq!(Decimal::parse(".5"), Decimal::parse("0.5"));
    for wrong in ["", ".", "-", "1e3", "0x1", " 1", "1.2.3", "1.0000000001", "NaN"] {
        assert_eq!(Decimal::parse(wrong), None, "{wrong}");
    }
}

#[test]
fn dates_come_in_every_documented_form() {
    let midnight = Moment::parse("1577836800").expect("seconds");
    for form in ["2020", "2020-01", "2020-01-01", "2020-01-01T00:00Z", "2020-01-01T00:00:00Z", "1577836800"] {
        assert_eq!(Moment::parse(form), Some(midnight), "{form}");
    }
    assert_eq!(Moment::parse("2020-01-01T02:30:00.000+02:30"), Some(midnight));
    for wrong in [
        "",
        "yesterday",
        "2020-13-01",
        "2020-02-30",
        "20-01-01",
        "2023-02-29T00:00:00Z",
        "2020-01-01T24:00:00Z",
        "2020-01-01T00:61:00Z",
    ] {
        assert_eq!(Moment::parse(wrong), None, "{wrong}");
    }
}

#[test]
fn networks_hold_addresses_of_both_families_and_mapped_ones() {
    let holds = |network: &str, found: &str| {
        Network::parse(network).expect("a network").contains(address(found).expect("an address"))
    };
    assert!(holds("203.0.113.0/24", "203.0.113.7"));
    assert!(!holds("203.0.113.0/24", "203.0.114.7"));
    assert!(holds("203.0.113.0/24", "::ffff:203.0.113.7"));
    assert!(holds("::ffff:203.0.113.0/120", "203.0.113.7"));
    assert!(holds("0.0.0.0/0", "8.8.8.8"));
    assert!(!holds("0.0.0.0/0", "2001:db8::1"));
    assert!(holds("2001:DB8:1234:5678::/64", "2001:db8:1234:5678:1::1"));
    assert!(!holds("2001:db8::/64", "2001:db8:0:1::1"));
    assert!(holds("203.0.113.7", "203.0.113.7"));
    for wrong in ["", "203.0.113.0/33", "203.0.113", "::/129", "203.0.113.0/", "203.0.113.0/+8", "*"] {
        assert_eq!(Network::parse(wrong), None, "{wrong}");
    }
}
