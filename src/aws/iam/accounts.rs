use super::Answered;
use super::page::write_end;
use crate::aws::answer::members;
use crate::aws::call::Call;
use crate::identity::{Group, Policy, Role, User};

pub fn summary(call: &Call<'_>) -> Answered {
    call.require("iam:GetAccountSummary", "*")?;
    let (directory, account) = (&call.directory, call.account());
    let root = crate::identity::KeyOwner::Root(account);
    let counts = [
        ("Users", directory.all::<User>(account).count()),
        ("Groups", directory.all::<Group>(account).count()),
        ("Roles", directory.all::<Role>(account).count()),
        ("Policies", directory.all::<Policy>(account).count()),
        ("AccountAccessKeysPresent", usize::from(directory.keys_of(&root).next().is_some())),
        ("AccountMFAEnabled", 0),
    ];
    Ok(Box::new(move |xml| {
        xml.open("SummaryMap");
        for (key, value) in counts {
            xml.open("entry");
            xml.text("key", key);
            xml.raw("value", value);
            xml.close();
        }
        xml.close();
    }))
}

/// Accounts have no aliases here.
pub fn aliases(call: &Call<'_>) -> Answered {
    call.require("iam:ListAccountAliases", "*")?;
    Ok(Box::new(|xml| {
        members(xml, "AccountAliases", std::iter::empty::<&str>(), |_, _| {});
        write_end(xml, None);
    }))
}
