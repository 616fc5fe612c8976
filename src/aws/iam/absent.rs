//! Reading and clearing what cannot exist here: passwords, second factors, certificates, identity providers, reports. Whoever asks is
//! answered that there is none, in AWS's words, after the same question of permission as for what there is: automation and public
//! client suites ask for these in their set-up.

use super::page::write_end;
use super::{Answered, allowed, users};
use crate::aws::answer::members;
use crate::aws::call::Call;
use crate::aws::error::QueryError;
use crate::identity::{Entity, IdentityError, Subject, User, root_arn};

fn nothing() -> std::iter::Empty<&'static str> {
    std::iter::empty()
}

/// An empty list of an account's.
pub fn none(call: &Call<'_>, action: &str, list: &'static str) -> Answered {
    call.require(action, "*")?;
    Ok(Box::new(move |xml| {
        members(xml, list, nothing(), |_, _| {});
        write_end(xml, None);
    }))
}

/// An empty list of the named user's, or of the caller's own.
pub fn none_of_user(call: &Call<'_>, action: &str, list: &'static str) -> Answered {
    let name = match (call.form.given("UserName"), users::caller(call)) {
        (Some(_), _) => Some(allowed::<User>(call, action)?.name.clone()),
        (None, Some(user)) => {
            call.require_of(action, &user.arn(), Some(&*user))?;
            Some(user.name.clone())
        }
        (None, None) if matches!(call.caller.standing.subject, Subject::Role(_)) => {
            return Err(QueryError::validation("Must specify userName when calling with non-User credentials"));
        }
        (None, None) => {
            call.require(action, &root_arn(call.account()))?;
            None
        }
    };
    Ok(Box::new(move |xml| {
        xml.optional("UserName", name.as_deref());
        members(xml, list, nothing(), |_, _| {});
        write_end(xml, None);
    }))
}

/// One thing of an account's, named by a parameter.
pub fn missing(call: &Call<'_>, action: &str, kind: &'static str, parameter: &str) -> Answered {
    call.require(action, "*")?;
    Err(IdentityError::missing(kind, call.form.given(parameter).unwrap_or_default()).into())
}

/// The one that a user would have.
pub fn missing_of_user(call: &Call<'_>, action: &str, kind: &'static str) -> Answered {
    let user = allowed::<User>(call, action)?;
    let message = format!("{kind} for User {} cannot be found.", user.name);
    Err(QueryError::new(404, "NoSuchEntity", message))
}

/// One of a user's, named by a parameter.
pub fn missing_at_user(call: &Call<'_>, action: &str, kind: &'static str, parameter: &str) -> Answered {
    match call.form.given("UserName") {
        Some(_) => drop(allowed::<User>(call, action)?),
        None => call.require(action, "*")?,
    }
    Err(IdentityError::missing(kind, call.form.given(parameter).unwrap_or_default()).into())
}

/// The one that an account would have.
pub fn missing_of_account(call: &Call<'_>, action: &str, kind: &str) -> Answered {
    call.require(action, "*")?;
    let message = format!("The {kind} with domain name {} cannot be found.", call.account());
    Err(QueryError::new(404, "NoSuchEntity", message))
}

/// Clearing what is not there, where AWS answers that it is done.
pub fn cleared(call: &Call<'_>, action: &str) -> Answered {
    call.require(action, "*")?;
    Ok(super::done())
}

/// No report was ever made.
pub fn no_report(call: &Call<'_>) -> Answered {
    call.require("iam:GetCredentialReport", "*")?;
    Err(QueryError::new(
        410,
        "ReportNotPresent",
        "The request was rejected because the credential report does not exist.",
    ))
}
