//! STS: who am I, and credentials for a while.

use std::sync::Arc;

use bytes::Bytes;
use http::Response;
use tandem_policy::key::same_name;
use tandem_policy::{Action, Caller, Reason, Request, Resource, Source, evaluate};

use super::Service;
use super::access::Circumstances;
use super::answer::date;
use super::call::Call;
use super::error::QueryError;
use crate::audit::Kind;
use crate::identity::{
    AccountId, Entity, Id, IdentityError, Issued, NewSession, Policy, Role, SessionOf, Subject, Tag, check_name,
    check_tag,
};
use crate::s3::xml::XmlWriter;

const SHORTEST: u32 = 900;
const HOUR: u32 = 3_600;
/// Of a session that is nobody's role.
const LONGEST: u32 = 36 * HOUR;

pub async fn dispatch(call: &Call<'_>, action: &str) -> Result<Response<Bytes>, QueryError> {
    match action {
        "GetCallerIdentity" => Ok(caller_identity(call)),
        "AssumeRole" => assume_role(call),
        "GetSessionToken" => session_token(call),
        "GetAccessKeyInfo" => access_key_info(call),
        other => Err(QueryError::new(
            400,
            "InvalidAction",
            format!("Could not find operation {other} for version 2011-06-15"),
        )),
    }
}

/// Always allowed, as with AWS.
fn caller_identity(call: &Call<'_>) -> Response<Bytes> {
    let caller = call.caller.caller();
    call.response(Service::Sts, "GetCallerIdentityResponse", "GetCallerIdentityResult", |xml| {
        xml.text("Arn", caller.arn().unwrap_or_default());
        xml.text("UserId", caller.user_id());
        xml.raw("Account", call.account());
    })
}

fn access_key_info(call: &Call<'_>) -> Result<Response<Bytes>, QueryError> {
    call.require("sts:GetAccessKeyInfo", "*")?;
    let access_key = call.form.required("AccessKeyId")?;
    let account = call.identities.credential(access_key).map(|credential| credential.account());
    let account = account.ok_or_else(|| IdentityError::missing("Access Key", access_key))?;
    Ok(call.response(Service::Sts, "GetAccessKeyInfoResponse", "GetAccessKeyInfoResult", |xml| {
        xml.raw("Account", account);
    }))
}

/// There are no second factors here. Whoever shows one is refused: a session that is told to be by one would not be.
fn no_second_factor(call: &Call<'_>) -> Result<(), QueryError> {
    let (serial, code) = (call.form.given("SerialNumber"), call.form.given("TokenCode"));
    match (serial, code) {
        (None, None) => Ok(()),
        (Some(_), Some(_)) => Err(QueryError::denied(
            "MultiFactorAuthentication failed, unable to validate MFA code.  Please verify your MFA serial number is valid and associated with this user.",
        )),
        _ => Err(QueryError::denied(
            "MultiFactorAuthentication failed, must provide both MFA serial number and one time pass code.",
        )),
    }
}

/// AWS's pattern: 2 to 1224 letters, digits and `+=,.@:/-_`.
fn check_external_id(call: &Call<'_>) -> Result<(), QueryError> {
    let Some(id) = call.form.get("ExternalId") else { return Ok(()) };
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"_+=,.@:/-".contains(&byte);
    let broken = match id.len() {
        0..2 => "Member must have length greater than or equal to 2",
        1225.. => "Member must have length less than or equal to 1224",
        _ if id.bytes().all(plain) => return Ok(()),
        _ => "Member must satisfy regular expression pattern: [\\w+=,.@:\\/-]*",
    };
    let shown: String = id.chars().take(64).collect();
    Err(QueryError::validation(format!(
        "1 validation error detected: Value '{shown}' at 'externalId' failed to satisfy constraint: {broken}"
    )))
}

/// A session policy that is no JSON is told so in STS's words, which are not IAM's.
fn session_policy(call: &Call<'_>) -> Result<Option<String>, QueryError> {
    let Some(text) = call.form.given("Policy") else { return Ok(None) };
    match serde_json::from_str::<serde_json::Value>(text) {
        Ok(value) if value.is_object() => Ok(Some(text.to_owned())),
        _ => Err(QueryError::new(400, "MalformedPolicyDocument", "The policy is not in the valid JSON format.")),
    }
}

/// For long-term keys; needs no permission, as with AWS.
fn session_token(call: &Call<'_>) -> Result<Response<Bytes>, QueryError> {
    no_second_factor(call)?;
    let of = Option::<SessionOf>::from(&call.caller.standing.subject).filter(|_| !call.caller.is_session());
    let of = of.ok_or_else(|| QueryError::denied("Cannot call GetSessionToken with session credentials"))?;
    let longest = if matches!(of, SessionOf::User(_)) { LONGEST } else { HOUR };
    let seconds = call.form.number("DurationSeconds")?.unwrap_or(12 * HOUR);
    if !(SHORTEST..=LONGEST).contains(&seconds) {
        return Err(QueryError::validation("DurationSeconds must be between 900 and 129600."));
    }
    let new = NewSession {
        of,
        seconds: seconds.min(longest),
        tags: Vec::new(),
        transitive: Vec::new(),
        policy: None,
        policies: Vec::new(),
    };
    let issued = call.identities.issue(call.clock, new)?;
    Ok(call.response(Service::Sts, "GetSessionTokenResponse", "GetSessionTokenResult", |xml| {
        credentials(xml, &issued);
    }))
}

fn credentials(xml: &mut XmlWriter, issued: &Issued) {
    xml.open("Credentials");
    xml.text("AccessKeyId", &issued.access_key);
    xml.text("SecretAccessKey", &issued.secret);
    xml.text("SessionToken", &issued.token);
    xml.text("Expiration", &date(issued.expires));
    xml.close();
}

fn assume_role(call: &Call<'_>) -> Result<Response<Bytes>, QueryError> {
    let arn = call.form.required("RoleArn")?;
    let name = call.form.required("RoleSessionName")?;
    check_name("roleSessionName", name, 64)?;
    if name.len() < 2 {
        return Err(QueryError::validation("roleSessionName must have length greater than or equal to 2"));
    }
    check_external_id(call)?;
    let policy = session_policy(call)?;
    let (tags, transitive) = session_tags(call)?;
    let source_identity = source_identity(call)?;
    // A role that is not there is answered as one that may not be assumed: nobody learns which there are.
    let role = call.directory.by_arn::<Role>(arn).map_err(|_| {
        call.tell(Kind::Denied, Some("sts:AssumeRole"), Some(arn), "no such role");
        refused(call, "sts:AssumeRole", arn)
    })?;
    let mut context = Circumstances::of(call).about(call, "sts:AssumeRole", &**role);
    if let Some(source) = &source_identity {
        context = context.with("sts:SourceIdentity", source);
    }
    if call.form.given("DurationSeconds").is_none() {
        context = context.with("sts:DurationSeconds", &HOUR.to_string());
    }
    may_assume(call, role, "sts:AssumeRole", &context)?;
    if tags.len() > call.caller.standing.transitive.len() {
        may_assume(call, role, "sts:TagSession", &context)?;
    }
    if source_identity.is_some() {
        may_assume(call, role, "sts:SetSourceIdentity", &context)?;
    }
    no_second_factor(call)?;
    let seconds = duration(call, role)?;
    let new = NewSession {
        of: SessionOf::Role { id: role.id.clone(), name: name.to_owned(), source_identity: source_identity.clone() },
        seconds,
        tags,
        transitive,
        policy,
        policies: session_policies(call, role)?,
    };
    let issued = call.identities.issue(call.clock, new).map_err(|error| match error {
        IdentityError::LimitExceeded(message) => QueryError::new(400, "PackedPolicyTooLarge", message),
        other => other.into(),
    })?;
    Ok(call.response(Service::Sts, "AssumeRoleResponse", "AssumeRoleResult", |xml| {
        credentials(xml, &issued);
        xml.open("AssumedRoleUser");
        xml.text("AssumedRoleId", &format!("{}:{name}", role.id));
        xml.text("Arn", &format!("arn:aws:sts::{}:assumed-role/{}/{name}", role.account, role.name));
        xml.close();
        xml.raw("PackedPolicySize", issued.packed_percent);
        xml.optional("SourceIdentity", source_identity.as_deref());
    }))
}

/// On whose behalf the session is. What the caller's own session says of that goes on, and cannot be said otherwise.
fn source_identity(call: &Call<'_>) -> Result<Option<String>, QueryError> {
    let asked = call.form.given("SourceIdentity");
    if let Some(source) = asked {
        check_name("sourceIdentity", source, 64)?;
    }
    let handed_on = match call.caller.caller() {
        Caller::Session(session) => session.source_identity.as_deref(),
        _ => None,
    };
    match (handed_on, asked) {
        (Some(held), Some(asked)) if held != asked => {
            Err(QueryError::denied("The source identity of a session cannot be changed by assuming a further role."))
        }
        (held, asked) => Ok(held.or(asked).map(str::to_owned)),
    }
}

/// The tags of a new session, those included that its caller's session hands on; and the keys of those that it hands on itself.
fn session_tags(call: &Call<'_>) -> Result<(Vec<Tag>, Vec<String>), QueryError> {
    let handed_on = &call.caller.standing.transitive;
    let tags: Vec<Tag> = handed_on.iter().cloned().chain(call.form.tags()).collect();
    for (at, tag) in tags.iter().enumerate() {
        check_tag(&tag.key, &tag.value)?;
        if tags[..at].iter().any(|earlier| same_name(&earlier.key, &tag.key)) {
            return Err(QueryError::new(400, "InvalidParameterValue", "Duplicate tag keys found."));
        }
    }
    let asked = call.form.list("TransitiveTagKeys").into_iter().map(str::to_owned);
    let transitive = handed_on.iter().map(|tag| tag.key.clone()).chain(asked).collect();
    Ok((tags, transitive))
}

/// A role's session that assumes another one (or itself) has an hour at most.
fn duration(call: &Call<'_>, role: &Role) -> Result<u32, QueryError> {
    let chained = matches!(call.caller.standing.subject, Subject::Role(_));
    let longest = if chained { HOUR } else { role.max_session_seconds };
    let seconds = call.form.number("DurationSeconds")?.unwrap_or(HOUR);
    if seconds < SHORTEST {
        return Err(QueryError::validation(
            "Value at 'durationSeconds' failed to satisfy constraint: Member must have value greater than or equal to 900",
        ));
    }
    if seconds > longest {
        let message = match chained {
            true => {
                "The requested DurationSeconds exceeds the 1 hour session limit for roles assumed by role chaining."
            }
            false => "The requested DurationSeconds exceeds the MaxSessionDuration set for this role.",
        };
        return Err(QueryError::validation(message));
    }
    Ok(seconds)
}

fn session_policies(call: &Call<'_>, role: &Role) -> Result<Vec<Id>, QueryError> {
    let named = call.form.structures("PolicyArns", "arn").map(|member| {
        let arn = member.text("arn");
        let own = |policy: &&Arc<Policy>| policy.account == role.account || policy.account == AccountId::AWS;
        // What is of other accounts is answered as what is not there.
        let policy = call.directory.by_arn::<Policy>(&arn).ok().filter(own);
        Ok(policy.ok_or_else(|| IdentityError::missing("policy", arn))?.id.clone())
    });
    named.collect()
}

/// The trust policy lets the caller in, and, unless it names the caller itself in its own account, the caller's own policies
/// do too.
fn may_assume(call: &Call<'_>, role: &Role, action: &str, context: &Circumstances<'_>) -> Result<(), QueryError> {
    let standing = &call.caller.standing;
    let (account, arn) = (role.account.to_string(), role.arn());
    let guarded = Resource::Guarded { account: &account, policy: role.trust.compiled() };
    let policies = standing.policies(guarded);
    let request = Request { caller: &standing.caller, action: Action::of(action), resource: &arn, context };
    let decision = evaluate(&policies, &request);
    if decision.allowed {
        return Ok(());
    }
    if decision.why.source == Source::Default(Reason::TooManySteps) {
        call.tell_out_of_steps(action, &arn);
    }
    call.tell(Kind::Denied, Some(action), Some(&arn), &decision.why.to_string());
    Err(refused(call, action, &arn))
}

/// The one answer for roles that are not there and for those that may not be assumed, whoever or whatever says so.
fn refused(call: &Call<'_>, action: &str, arn: &str) -> QueryError {
    let who = call.caller.caller().arn().unwrap_or("anonymous");
    QueryError::denied(format!("User: {who} is not authorized to perform: {action} on resource: {arn}"))
}
