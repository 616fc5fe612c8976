use crate::kind::Kind;
use crate::malformed::Malformed;
use crate::parse;
use crate::principal::Named;
use crate::public;
use crate::statement::Statement;

/// A policy document, compiled: its patterns are cut, its actions are bits, its values have their types.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Document {
    pub(crate) id: Option<Box<str>>,
    pub(crate) statements: Box<[Statement]>,
    pub(crate) counted: usize,
    pub(crate) public: bool,
}

impl Document {
    /// Reads and checks a document as AWS does for where it hangs.
    ///
    /// # Errors
    /// [`Malformed`] with the first fault found.
    pub fn parse(bytes: &[u8], kind: Kind<'_>) -> Result<Document, Malformed> {
        let (id, statements) = parse::document(bytes, kind)?;
        let counted = bytes.iter().filter(|byte| !byte.is_ascii_whitespace()).count();
        let public = public::is_public(&statements);
        Ok(Document { id, statements, counted, public })
    }

    pub fn id(&self) -> Option<&str> {
        self.id.as_deref()
    }

    pub fn statement_count(&self) -> usize {
        self.statements.len()
    }

    /// Its size as AWS counts it for identities: without white space. See [`crate::Limit`].
    pub fn counted_size(&self) -> usize {
        self.counted
    }

    /// Whether it is public by AWS's definition: some Allow is not narrowed to fixed principals, or by a condition to
    /// fixed values of a key that identifies where a request comes from.
    pub fn is_public(&self) -> bool {
        self.public
    }

    /// Whom it names, in order.
    pub fn principals(&self) -> impl Iterator<Item = Named<'_>> {
        self.statements.iter().flat_map(|statement| statement.principals.list()).map(|principal| principal.named())
    }

    /// The condition keys that it asks for, as [`crate::Context`] would be asked; with repetitions.
    pub fn keys(&self) -> impl Iterator<Item = &str> {
        self.statements.iter().flat_map(|statement| {
            let of_conditions = statement.conditions.iter().flat_map(|condition| {
                std::iter::once(&condition.key).chain(condition.operands.texts().flat_map(|text| text.keys()))
            });
            let of_resources = statement.resources.patterns().iter().flat_map(|text| text.keys());
            of_conditions.chain(of_resources).map(|key| &*key.name)
        })
    }
}
