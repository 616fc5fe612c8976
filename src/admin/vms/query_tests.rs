use serde_json::{Value, json};

use super::super::schema::{Field, Kind, both, read};
use super::{Query, answer, one};

const FIELDS: &[Field] = &[
    read("id", Kind::Integer, ""),
    both("name", Kind::Text, ""),
    both("enabled", Kind::Flag, ""),
    both("gids", Kind::List(&Kind::Integer), ""),
    both("tenant_name", Kind::Text, ""),
    both("created", Kind::Time, ""),
    both("policy", Kind::Object(&[both("name", Kind::Text, "")]), ""),
];

fn objects() -> Vec<Value> {
    vec![
        json!({"id": 1, "name": "Alice", "enabled": true, "gids": [1, 2], "tenant_name": "t", "created": "2026-01-01T00:00:00Z",
               "policy": {"name": "daily"}}),
        json!({"id": 2, "name": "bob", "enabled": false, "gids": [], "tenant_name": "u", "created": "2026-02-01T00:00:00Z",
               "policy": null}),
        json!({"id": 10, "name": "carol", "enabled": true, "gids": [2], "tenant_name": "t", "created": "2026-03-01T00:00:00Z",
               "policy": {"name": "hourly"}}),
    ]
}

fn ids(query: &str) -> Vec<i64> {
    let found = answer(&Query::parse(query).unwrap(), &[], FIELDS, objects(), "/api/x/").unwrap();
    found.as_array().unwrap().iter().map(|object| object["id"].as_i64().unwrap()).collect()
}

fn status(query: &str) -> u16 {
    let failed = answer(&Query::parse(query).unwrap(), &[], FIELDS, objects(), "/").unwrap_err();
    failed.status().as_u16()
}

#[test]
fn filters_compare_by_the_types_of_their_fields() {
    for (query, wanted) in [
        ("", vec![1, 2, 10]),
        ("id=1", vec![1]),
        ("id__in=1,10", vec![1, 10]),
        ("name=bob", vec![2]),
        ("name=Bob", vec![]),
        ("name__iexact=BOB", vec![2]),
        ("name__contains=o", vec![2, 10]),
        ("name__icontains=A", vec![1, 10]),
        ("name__startswith=A", vec![1]),
        ("name__istartswith=a", vec![1]),
        ("name__endswith=l", vec![10]),
        ("enabled=True", vec![1, 10]),
        ("enabled=false&name=bob", vec![2]),
        ("gids=2", vec![1, 10]),
        ("id__gte=2", vec![2, 10]),
        ("id__lt=10", vec![1, 2]),
        ("created__gte=2026-02-01", vec![2, 10]),
        ("created__lte=2026-02-01T00:00:00Z", vec![1, 2]),
        ("policy__name=daily", vec![1]),
        ("policy.name__contains=ly", vec![1, 10]),
        ("policy__isnull=True", vec![2]),
        ("tenant__name=t", vec![1, 10]),
        ("ordering=-name", vec![10, 2, 1]),
        ("ordering=tenant_name,-id&format=json&_=1", vec![10, 1, 2]),
    ] {
        assert_eq!(ids(query), wanted, "{query}");
    }
}

#[test]
fn filters_that_nobody_has_and_values_of_another_type_are_errors() {
    for query in
        ["nmae=a", "id=x", "enabled=maybe", "id__in=1,b", "policy__other=1", "ordering=nothing", "name__length=3"]
    {
        assert_eq!(status(query), 400, "{query}");
    }
    assert_eq!(status("page=0"), 404);
    assert_eq!(status("page=9&page_size=2"), 404);
}

#[test]
fn fields_come_repeated_or_with_commas() {
    for query in ["fields=id&fields=name", "fields=id,name"] {
        let query = Query::parse(query).unwrap();
        let found = answer(&query, &[], FIELDS, objects(), "/").unwrap();
        assert_eq!(found[1], json!({"id": 2, "name": "bob"}));
        assert_eq!(one(&query, objects().remove(0)), json!({"id": 1, "name": "Alice"}));
    }
}

#[test]
fn pages_come_in_an_envelope_with_links() {
    let query = Query::parse("page_size=2&name__contains=o%6F&page=1&name__contains=").unwrap();
    assert_eq!(query.get("name__contains"), Some("oo"));
    let page = |query: &str| answer(&Query::parse(query).unwrap(), &[], FIELDS, objects(), "https://h/api/x/").unwrap();
    let first = page("page_size=2&enabled=True&id__gte=0");
    assert_eq!((first["count"].as_i64(), first["results"].as_array().unwrap().len()), (Some(2), 2));
    assert_eq!((&first["next"], &first["previous"]), (&json!(null), &json!(null)));
    let first = page("page_size=2");
    assert_eq!(first["next"], "https://h/api/x/?page_size=2&page=2");
    let second = page("page_size=2&page=2");
    assert_eq!((&second["next"], second["previous"].as_str().unwrap().ends_with("page=1")), (&json!(null), true));
    assert_eq!(second["results"][0]["id"], 10);
    assert_eq!(page("page=1&name=nobody")["count"], 0);
}
