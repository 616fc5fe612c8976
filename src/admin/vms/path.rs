//! `/api/[latest/|vN/]collection/...` as words. Pure.

/// The versions that clients of VMS put into paths; all mean the same here.
const VERSIONS: [&str; 8] = ["latest", "v1", "v2", "v3", "v4", "v5", "v6", "v7"];

const WORDS_MAX: usize = 8;

/// A path of the API, without its version.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ApiPath {
    /// `/api/`, or `/api/v5/`: what links of the answer begin with.
    pub base: String,
    pub words: Vec<String>,
}

impl ApiPath {
    /// None for what is not below `/api/`, and for what is not well-formed.
    pub fn parse(path: &str) -> Option<Self> {
        let rest = path.strip_prefix("/api/")?;
        let rest = rest.strip_suffix('/').unwrap_or(rest);
        let mut words = Vec::new();
        for word in rest.split('/').filter(|_| !rest.is_empty()) {
            let word = percent_encoding::percent_decode_str(word).decode_utf8().ok()?;
            if word.is_empty() || words.len() == WORDS_MAX + 1 {
                return None;
            }
            words.push(word.into_owned());
        }
        let version = words.first().filter(|word| VERSIONS.contains(&word.as_str())).cloned();
        let base = match version {
            Some(version) => {
                words.remove(0);
                format!("/api/{version}/")
            }
            None => "/api/".to_owned(),
        };
        Some(ApiPath { base, words })
    }

    /// What stands in the places of a pattern such as `users/{id}`; none if it does not fit.
    pub fn fit(&self, pattern: &str) -> Option<Vec<String>> {
        let mut held = Vec::new();
        let mut words = self.words.iter();
        for wanted in pattern.split('/') {
            let word = words.next()?;
            match wanted.starts_with('{') {
                true => held.push(word.clone()),
                false if word == wanted => {}
                false => return None,
            }
        }
        words.next().is_none().then_some(held)
    }
}

#[cfg(test)]
mod tests {
    use super::ApiPath;

    fn words(path: &str) -> Option<String> {
        ApiPath::parse(path).map(|path| path.words.join(" "))
    }

    #[test]
    fn versions_are_aliases_and_trailing_slashes_are_optional() {
        for path in ["/api/users/7/", "/api/users/7", "/api/latest/users/7/", "/api/v1/users/7/", "/api/v7/users/7"] {
            assert_eq!(words(path).as_deref(), Some("users 7"), "{path}");
        }
        assert_eq!(ApiPath::parse("/api/v5/users/").unwrap().base, "/api/v5/");
        assert_eq!(words("/api/v8/users/").as_deref(), Some("v8 users"));
        assert_eq!(words("/api/s3keys/AK%2FIA/").as_deref(), Some("s3keys AK/IA"));
        assert_eq!(words("/api/").as_deref(), Some(""));
        for path in ["/", "/apiary/users/", "/api/users//7/", "/api/%ff/", "/api/a/b/c/d/e/f/g/h/i/j/k/"] {
            assert_eq!(words(path), None, "{path}");
        }
    }

    #[test]
    fn patterns_fit_word_by_word() {
        let path = ApiPath::parse("/api/users/7/access_keys/").unwrap();
        assert_eq!(path.fit("users/{id}/access_keys"), Some(vec!["7".to_owned()]));
        assert_eq!(path.fit("users/{id}"), None);
        assert_eq!(path.fit("users/{id}/access_keys/{key}"), None);
        assert_eq!(path.fit("users/8/access_keys"), None);
    }
}
