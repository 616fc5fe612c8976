use crate::action::{Action, ActionSet};
use crate::condition::Condition;
use crate::principal::{Nearness, Principals};
use crate::scope::Scope;
use crate::text::Text;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effect {
    Allow,
    Deny,
}

/// A statement's `Resource` or `NotResource`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Resources {
    /// A trust policy: the role itself.
    Itself,
    Of(Box<[Text]>),
    Not(Box<[Text]>),
}

impl Resources {
    fn meet(&self, resource: &str, scope: &Scope<'_>) -> bool {
        match self {
            Resources::Itself => true,
            Resources::Of(patterns) => patterns.iter().any(|pattern| pattern.matches(resource, scope)),
            Resources::Not(patterns) => !patterns.iter().any(|pattern| pattern.matches(resource, scope)),
        }
    }
}

/// One statement, compiled.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Statement {
    pub(crate) sid: Option<Box<str>>,
    pub(crate) effect: Effect,
    pub(crate) principals: Principals,
    pub(crate) actions: ActionSet,
    pub(crate) resources: Resources,
    pub(crate) conditions: Box<[Condition]>,
}

impl Statement {
    /// Whether it speaks of this request, and how closely it names the caller. The cheapest question comes first.
    pub(crate) fn meets(&self, action: &Action<'_>, resource: &str, scope: &Scope<'_>) -> Option<Nearness> {
        if !self.actions.contains(action) {
            return None;
        }
        let nearness = self.principals.meet(scope.caller, scope.account, scope.bounded)?;
        let met =
            self.resources.meet(resource, scope) && self.conditions.iter().all(|condition| condition.holds(scope));
        met.then_some(nearness)
    }
}
