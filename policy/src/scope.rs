use crate::action::Action;
use crate::caller::Caller;
use crate::context::{Context, Values};
use crate::key::{Key, Origin};
use crate::steps::Steps;

/// What conditions and variables are asked of: the caller, the resource's account, the rest of the request.
#[derive(Clone, Copy)]
pub(crate) struct Scope<'a> {
    pub(crate) caller: &'a Caller,
    pub(crate) action: &'a Action<'a>,
    /// The account that owns what is asked for.
    pub(crate) account: &'a str,
    /// Whether a permissions boundary is set for the caller, who is a user or a role.
    pub(crate) bounded: bool,
    pub(crate) context: &'a dyn Context,
    pub(crate) steps: &'a Steps,
}

impl<'a> Scope<'a> {
    pub(crate) fn get(&self, key: &Key) -> Values<'a> {
        match key.origin() {
            Origin::Caller => self.caller.key(&key.name),
            Origin::Resource => Values::from_option((!self.account.is_empty()).then_some(self.account)),
            Origin::Request => self.context.get(&key.name),
        }
    }

    /// Whether the request may have the key, and nothing here knows.
    pub(crate) fn cannot_tell(&self, key: &Key) -> bool {
        key.is_unsupplied(self.action) && self.get(key).is_absent()
    }

    /// A variable stands for a key with exactly one value.
    pub(crate) fn variable(&self, key: &Key) -> Option<&'a str> {
        match self.get(key) {
            Values::One(value) => Some(value),
            Values::Many([value]) => Some(value),
            _ => None,
        }
    }
}
