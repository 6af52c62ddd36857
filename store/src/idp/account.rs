//! Accounts, the addresses and numbers they are found by, and the roles of staff.

use diesel::prelude::*;
use domain::account::{AccountState, IdentifierKind, Role};
use domain::locale::Locale;
use uuid::Uuid;

use crate::schema::accounts::{account_identifiers, accounts, staff_roles};
use crate::{Reader, StoreError, Writer};

/// Whose account it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AccountKind {
    /// A person with a proven identity.
    Citizen,
    /// A member of staff, who acts in roles.
    Staff,
}

impl AccountKind {
    /// The stored word.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Citizen => "citizen",
            Self::Staff => "staff",
        }
    }
}

/// One account. Sealed columns are opened with the key in `wrapped_key`, whose subject is the account's id.
#[derive(Clone, Debug)]
pub struct Account {
    /// Its identifier, also the user handle of its passkeys.
    pub id: Uuid,
    /// The person (subject identifier) it belongs to; staff without a person have the account's own identifier.
    pub subject: Uuid,
    /// Whose account it is.
    pub kind: AccountKind,
    /// Where it stands.
    pub state: AccountState,
    /// The language its holder is written to in.
    pub locale: Locale,
    /// The account's key, wrapped by the token; empty once the account is erased.
    pub wrapped_key: Vec<u8>,
    /// The name shown to staff, sealed; citizens' names live with their person.
    pub display_name_sealed: Option<Vec<u8>>,
    /// The office a member of staff works in.
    pub office: Option<String>,
    /// Creation, in Unix seconds.
    pub created_at: i64,
    /// End of the first enrolment, in Unix seconds.
    pub activated_at: Option<i64>,
}

#[derive(Queryable, Selectable, Insertable)]
#[diesel(table_name = accounts)]
struct AccountRow {
    id: String,
    subject_id: String,
    kind: String,
    state: String,
    locale: String,
    wrapped_key: Vec<u8>,
    display_name_sealed: Option<Vec<u8>>,
    office: Option<String>,
    created_at: i64,
    activated_at: Option<i64>,
    closed_at: Option<i64>,
}

/// An address or number of an account.
#[derive(Clone, Debug, Queryable, Selectable, Insertable)]
#[diesel(table_name = account_identifiers)]
pub struct AccountIdentifier {
    /// Row identifier; names the row when the value is opened.
    pub id: String,
    /// The account it belongs to.
    pub account_id: String,
    /// `email` or `phone`.
    pub kind: String,
    /// Keyed hash of the normal form.
    pub blind_index: Vec<u8>,
    /// The normal form, sealed with the account's key.
    pub value_sealed: Vec<u8>,
    /// When its holder showed that it reaches them, in Unix seconds.
    pub verified_at: Option<i64>,
    /// Creation, in Unix seconds.
    pub created_at: i64,
}

/// An identifier from its stored text.
pub(crate) fn parse_id(text: &str) -> Result<Uuid, StoreError> {
    Uuid::parse_str(text).map_err(|_| StoreError::Damaged("identifier"))
}

impl TryFrom<AccountRow> for Account {
    type Error = StoreError;

    fn try_from(row: AccountRow) -> Result<Self, StoreError> {
        Ok(Self {
            id: parse_id(&row.id)?,
            subject: parse_id(&row.subject_id)?,
            kind: match row.kind.as_str() {
                "citizen" => AccountKind::Citizen,
                "staff" => AccountKind::Staff,
                _ => return Err(StoreError::Damaged("account kind")),
            },
            state: row
                .state
                .parse()
                .map_err(|_| StoreError::Damaged("account state"))?,
            locale: row
                .locale
                .parse()
                .map_err(|_| StoreError::Damaged("account language"))?,
            wrapped_key: row.wrapped_key,
            display_name_sealed: row.display_name_sealed,
            office: row.office,
            created_at: row.created_at,
            activated_at: row.activated_at,
        })
    }
}

impl Reader<'_> {
    /// The account with this identifier.
    pub fn find_account(&mut self, id: Uuid) -> Result<Option<Account>, StoreError> {
        accounts::table
            .find(id.to_string())
            .select(AccountRow::as_select())
            .first(self.conn())
            .optional()?
            .map(Account::try_from)
            .transpose()
    }

    /// The account with this identifier, which must exist.
    pub fn load_account(&mut self, id: Uuid) -> Result<Account, StoreError> {
        self.find_account(id)?.ok_or(StoreError::NotFound)
    }

    /// The account of a person.
    pub fn find_account_of_subject(
        &mut self,
        subject: Uuid,
    ) -> Result<Option<Account>, StoreError> {
        accounts::table
            .filter(accounts::subject_id.eq(subject.to_string()))
            .select(AccountRow::as_select())
            .first(self.conn())
            .optional()?
            .map(Account::try_from)
            .transpose()
    }

    /// The account found by an address or number, through its keyed hash.
    pub fn find_account_by_identifier(
        &mut self,
        kind: IdentifierKind,
        blind_index: &[u8; 32],
    ) -> Result<Option<Account>, StoreError> {
        accounts::table
            .inner_join(
                account_identifiers::table.on(account_identifiers::account_id.eq(accounts::id)),
            )
            .filter(account_identifiers::kind.eq(kind.as_str()))
            .filter(account_identifiers::blind_index.eq(blind_index.as_slice()))
            .select(AccountRow::as_select())
            .first(self.conn())
            .optional()?
            .map(Account::try_from)
            .transpose()
    }

    /// The addresses and numbers of an account, oldest first.
    pub fn list_account_identifiers(
        &mut self,
        account: Uuid,
    ) -> Result<Vec<AccountIdentifier>, StoreError> {
        Ok(account_identifiers::table
            .filter(account_identifiers::account_id.eq(account.to_string()))
            .order((account_identifiers::created_at, account_identifiers::id))
            .select(AccountIdentifier::as_select())
            .load(self.conn())?)
    }

    /// The roles of an account, in the order of their names.
    pub fn list_roles(&mut self, account: Uuid) -> Result<Vec<Role>, StoreError> {
        staff_roles::table
            .filter(staff_roles::account_id.eq(account.to_string()))
            .order(staff_roles::role)
            .select(staff_roles::role)
            .load::<String>(self.conn())?
            .iter()
            .map(|word| word.parse().map_err(|_| StoreError::Damaged("role")))
            .collect()
    }
}

impl Writer<'_> {
    /// Adds an account; a person has at most one.
    pub fn insert_account(&mut self, account: &Account) -> Result<(), StoreError> {
        let row = AccountRow {
            id: account.id.to_string(),
            subject_id: account.subject.to_string(),
            kind: account.kind.as_str().to_owned(),
            state: account.state.as_str().to_owned(),
            locale: account.locale.tag().to_owned(),
            wrapped_key: account.wrapped_key.clone(),
            display_name_sealed: account.display_name_sealed.clone(),
            office: account.office.clone(),
            created_at: account.created_at,
            activated_at: account.activated_at,
            closed_at: None,
        };
        diesel::insert_into(accounts::table)
            .values(&row)
            .execute(self.conn())?;
        Ok(())
    }

    /// Adds an address or number; another account's is a conflict.
    pub fn insert_account_identifier(&mut self, row: &AccountIdentifier) -> Result<(), StoreError> {
        diesel::insert_into(account_identifiers::table)
            .values(row)
            .execute(self.conn())?;
        Ok(())
    }

    /// Gives an account a role; having it already is no error.
    pub fn grant_role(&mut self, account: Uuid, role: Role, at: i64) -> Result<(), StoreError> {
        if self.list_roles(account)?.contains(&role) {
            return Ok(());
        }
        diesel::insert_into(staff_roles::table)
            .values((
                staff_roles::account_id.eq(account.to_string()),
                staff_roles::role.eq(role.as_str()),
                staff_roles::granted_at.eq(at),
            ))
            .execute(self.conn())?;
        Ok(())
    }

    /// Moves an account from one state to another; a conflict when it is not in `from`.
    pub fn move_account(
        &mut self,
        account: Uuid,
        from: AccountState,
        to: AccountState,
        at: i64,
    ) -> Result<(), StoreError> {
        let target = accounts::table
            .filter(accounts::id.eq(account.to_string()))
            .filter(accounts::state.eq(from.as_str()));
        let moved = match to {
            AccountState::Active => diesel::update(target)
                .set((
                    accounts::state.eq(to.as_str()),
                    accounts::activated_at.eq(Some(at)),
                ))
                .execute(self.conn())?,
            AccountState::Closed => diesel::update(target)
                .set((
                    accounts::state.eq(to.as_str()),
                    accounts::closed_at.eq(Some(at)),
                ))
                .execute(self.conn())?,
            AccountState::Invited | AccountState::Suspended => diesel::update(target)
                .set(accounts::state.eq(to.as_str()))
                .execute(self.conn())?,
        };
        if moved == 1 {
            Ok(())
        } else {
            Err(StoreError::Conflict("account changed meanwhile"))
        }
    }

    /// Destroys an account's key, its addresses and its roles: what was sealed with the key cannot be read again.
    pub fn erase_account(&mut self, account: Uuid) -> Result<(), StoreError> {
        let id = account.to_string();
        diesel::update(accounts::table.find(&id))
            .set((
                accounts::wrapped_key.eq(Vec::new()),
                accounts::display_name_sealed.eq(None::<Vec<u8>>),
            ))
            .execute(self.conn())?;
        diesel::delete(account_identifiers::table.filter(account_identifiers::account_id.eq(&id)))
            .execute(self.conn())?;
        diesel::delete(staff_roles::table.filter(staff_roles::account_id.eq(&id)))
            .execute(self.conn())?;
        Ok(())
    }
}
