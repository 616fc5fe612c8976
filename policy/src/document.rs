use crate::kind::Kind;
use crate::malformed::Malformed;
use crate::parse;
use crate::public;
use crate::statement::Statement;

/// A policy document, compiled: its patterns are cut, its actions are bits, its values have their types.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Document {
    pub(crate) id: Option<Box<str>>,
    pub(crate) statements: Box<[Statement]>,
    pub(crate) public: bool,
}

impl Document {
    /// Reads and checks a document as AWS does for where it hangs.
    ///
    /// # Errors
    /// [`Malformed`] with the first fault found.
    pub fn parse(bytes: &[u8], kind: Kind<'_>) -> Result<Document, Malformed> {
        let (id, statements) = parse::document(bytes, kind)?;
        let public = public::is_public(&statements);
        Ok(Document { id, statements, public })
    }

    /// The same for a document that somebody sends: refuses, too, what older builds took and AWS does not. What is stored
    /// already is read by [`parse`](Self::parse), so that no bucket and no role is shut by a new build.
    ///
    /// # Errors
    /// [`Malformed`] with the first fault found.
    pub fn accept(bytes: &[u8], kind: Kind<'_>) -> Result<Document, Malformed> {
        let document = Document::parse(bytes, kind)?;
        parse::check_new(&document.statements, kind)?;
        Ok(document)
    }

    pub fn id(&self) -> Option<&str> {
        self.id.as_deref()
    }

    /// Whether it is public by AWS's definition: some Allow is not narrowed to fixed principals, or by a condition to
    /// fixed values of a key that identifies where a request comes from.
    pub fn is_public(&self) -> bool {
        self.public
    }
}
