//! Lists in pages: at most `MaxItems` of them, after `Marker`.

use crate::aws::call::Call;
use crate::aws::error::QueryError;
use crate::s3::xml::XmlWriter;

const PAGE: u32 = 100;
const PAGE_MAX: u32 = 1_000;

/// Part of a list.
pub struct Page<T> {
    pub items: Vec<T>,
    /// Where the next page begins; none: this is the last.
    pub marker: Option<String>,
}

impl<T> Page<T> {
    /// Items come in the order of `name`, which is what markers are.
    ///
    /// # Errors
    /// `ValidationError`.
    pub fn of(
        call: &Call<'_>,
        items: impl Iterator<Item = T>,
        name: impl Fn(&T) -> String,
    ) -> Result<Self, QueryError> {
        let most = call.form.number("MaxItems")?.unwrap_or(PAGE);
        if !(1..=PAGE_MAX).contains(&most) {
            return Err(QueryError::validation("MaxItems must be between 1 and 1000."));
        }
        let most = usize::try_from(most).unwrap_or(usize::MAX);
        let after = call.form.given("Marker").unwrap_or_default().to_ascii_lowercase();
        let mut rest = items.skip_while(|item| !after.is_empty() && name(item).to_ascii_lowercase() <= after);
        let items: Vec<T> = rest.by_ref().take(most).collect();
        let marker = rest.next().and_then(|_| items.last().map(name));
        Ok(Page { items, marker })
    }
}

/// `IsTruncated` and `Marker`.
pub fn write_end(xml: &mut XmlWriter, marker: Option<&str>) {
    xml.raw("IsTruncated", marker.is_some());
    xml.optional("Marker", marker);
}
