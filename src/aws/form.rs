//! The parameters of a form: decoded once, each name at most once.

use super::error::QueryError;
use crate::identity::Tag;
use crate::s3::route::{Plus, decode};

/// More than any call has.
const PARAMETERS_MAX: usize = 1_000;
/// The longest list that is taken.
const MEMBERS_MAX: usize = 200;

#[derive(Debug)]
pub struct Fields(Vec<(String, String)>);

impl Fields {
    /// # Errors
    /// `MalformedInput`.
    pub fn parse(body: &[u8]) -> Result<Self, QueryError> {
        let malformed = |message: &str| QueryError::new(400, "MalformedInput", message);
        let text = std::str::from_utf8(body).map_err(|_| malformed("The form is not text."))?;
        let mut fields: Vec<(String, String)> = Vec::new();
        for part in text.split('&').filter(|part| !part.is_empty()) {
            let (name, value) = part.split_once('=').unwrap_or((part, ""));
            let decoded = |text| decode(text, Plus::IsSpace).map_err(|_| malformed("The form is not well encoded."));
            let (name, value) = (decoded(name)?, decoded(value)?);
            if fields.len() >= PARAMETERS_MAX {
                return Err(malformed("The form has too many parameters."));
            }
            fields.push((name, value));
        }
        let mut names: Vec<&str> = fields.iter().map(|(name, _)| name.as_str()).collect();
        names.sort_unstable();
        if names.windows(2).any(|pair| pair[0] == pair[1]) {
            return Err(malformed("A parameter is given more than once."));
        }
        Ok(Fields(fields))
    }

    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// One that is there and not empty.
    pub fn given(&self, name: &str) -> Option<&str> {
        self.get(name).filter(|value| !value.is_empty())
    }

    /// # Errors
    /// `ValidationError`, in AWS's words.
    pub fn required(&self, name: &str) -> Result<&str, QueryError> {
        self.given(name).ok_or_else(|| {
            let field = format!("{}{}", name[..1].to_ascii_lowercase(), &name[1..]);
            QueryError::validation(format!(
                "1 validation error detected: Value null at '{field}' failed to satisfy constraint: Member must not be null"
            ))
        })
    }

    /// # Errors
    /// `ValidationError`.
    pub fn number(&self, name: &str) -> Result<Option<u32>, QueryError> {
        let Some(text) = self.given(name) else { return Ok(None) };
        let digits = text.bytes().all(|byte| byte.is_ascii_digit());
        match text.parse().ok().filter(|_| digits) {
            Some(number) => Ok(Some(number)),
            None => Err(QueryError::validation(format!("The value of {name} is not a number."))),
        }
    }

    /// # Errors
    /// `ValidationError`.
    pub fn flag(&self, name: &str) -> Result<bool, QueryError> {
        match self.given(name) {
            None | Some("false") => Ok(false),
            Some("true") => Ok(true),
            Some(_) => Err(QueryError::validation(format!("The value of {name} is neither true nor false."))),
        }
    }

    /// `NAME.member.1`, `NAME.member.2`...
    pub fn list(&self, name: &str) -> Vec<&str> {
        (1..=MEMBERS_MAX).map_while(|n| self.get(&format!("{name}.member.{n}"))).collect()
    }

    /// `NAME.member.1.FIELD`, for as long as there are members with `first`.
    pub fn structures<'a>(&'a self, name: &'a str, first: &'a str) -> impl Iterator<Item = Member<'a>> {
        let members = (1..=MEMBERS_MAX).map(move |n| Member { fields: self, prefix: format!("{name}.member.{n}") });
        members.take_while(move |member| member.get(first).is_some())
    }

    /// `Tags.member.N.Key` and `.Value`.
    pub fn tags(&self) -> Vec<Tag> {
        let tags = self.structures("Tags", "Key");
        tags.map(|tag| Tag { key: tag.text("Key"), value: tag.text("Value") }).collect()
    }
}

/// One structure of a list.
pub struct Member<'a> {
    fields: &'a Fields,
    prefix: String,
}

impl<'a> Member<'a> {
    pub fn get(&self, field: &str) -> Option<&'a str> {
        self.fields.get(&format!("{}.{field}", self.prefix))
    }

    pub fn text(&self, field: &str) -> String {
        self.get(field).unwrap_or_default().to_owned()
    }

    pub fn list(&self, field: &str) -> Vec<&'a str> {
        self.fields.list(&format!("{}.{field}", self.prefix))
    }
}

#[cfg(test)]
mod tests {
    use super::Fields;

    #[test]
    fn fields_are_decoded_once_and_lists_gathered() {
        let body =
            b"Action=A+B&Tags.member.1.Key=k%2F&Tags.member.1.Value=v&Tags.member.2.Key=l&N.member.1=x&N.member.2=y";
        let fields = Fields::parse(body).expect("a form");
        assert_eq!(fields.required("Action").ok(), Some("A B"));
        let tags = fields.tags();
        assert_eq!((tags.len(), tags[0].key.as_str(), tags[1].value.as_str()), (2, "k/", ""));
        assert_eq!(fields.list("N"), ["x", "y"]);
        assert!(fields.required("Absent").is_err() && fields.number("Action").is_err());
        for bad in ["A=1&A=2", "A=%", "A=%ff"] {
            assert!(Fields::parse(bad.as_bytes()).is_err(), "{bad}");
        }
    }
}
