//! The proofs. Their fields are private to this room, so holding one means that the check was made.

use super::session::{Holder, Lapsed};
use super::{Carer, Right, Role, rights};
use crate::db::schema::{clinic, conversations, patients, users};
use crate::db::{CaregiverId, Conn, ConversationId, PatientId, Ts, Tx, UserId, hold_row, lock_row, share_row};
use diesel::prelude::*;
use std::marker::PhantomData;

/// A user who is signed in and whose role has the right `R`.
#[derive(Debug)]
pub struct SignedInUser<R: Right = rights::Read> {
    id: UserId,
    name: String,
    role: Role,
    right: PhantomData<R>,
}

impl<R: Right> SignedInUser<R> {
    /// The user of a session; `None` where no user is signed in; `Some(None)` where the role does not have the right.
    pub fn from_holder(holder: &Holder) -> Option<Option<SignedInUser<R>>> {
        match holder {
            // a user who has to set up a second factor may do nothing else first
            Holder::User { must_set_up: true, .. } => None,
            Holder::User { id, name, role, .. } => Some(role.may(R::ACTION).then(|| SignedInUser {
                id: *id,
                name: name.clone(),
                role: *role,
                right: PhantomData,
            })),
            Holder::Patient { .. } => None,
        }
    }

    /// The identity, for queries and audit rows.
    pub fn id(&self) -> UserId {
        self.id
    }
    /// The name as colleagues see it.
    pub fn name(&self) -> &str {
        &self.name
    }
    /// The role at the moment of the request.
    pub fn role(&self) -> Role {
        self.role
    }
}

impl<R: Right> Clone for SignedInUser<R> {
    fn clone(&self) -> Self {
        SignedInUser { id: self.id, name: self.name.clone(), role: self.role, right: PhantomData }
    }
}

/// A user who has proved once more, a few minutes ago and in this session, who they are. Some pages ask for this,
/// because a browser may have been left open.
#[derive(Debug, Clone)]
pub struct ConfirmedUser<R: Right = rights::Read>(SignedInUser<R>);

impl<R: Right> ConfirmedUser<R> {
    /// The proof; `None` where the user last confirmed who they are too long ago.
    pub fn from_holder(user: SignedInUser<R>, holder: &Holder) -> Option<ConfirmedUser<R>> {
        matches!(holder, Holder::User { id, confirmed: true, .. } if *id == user.id).then_some(ConfirmedUser(user))
    }

    /// The user.
    pub fn user(&self) -> &SignedInUser<R> {
        &self.0
    }
}

/// A user in a session of their own, also one who must set up a second factor before anything else is open. This proof
/// is good only for changing how they themselves sign in.
#[derive(Debug, Clone)]
pub struct OwnAccount {
    id: UserId,
    role: Role,
    user: Option<SignedInUser>,
    is_confirmed: bool,
}

impl OwnAccount {
    /// The user of a session; `None` where no user is signed in.
    pub fn from_holder(holder: &Holder) -> Option<OwnAccount> {
        match holder {
            Holder::User { id, role, confirmed, .. } => {
                let user = SignedInUser::from_holder(holder).flatten();
                Some(OwnAccount { id: *id, role: *role, user, is_confirmed: *confirmed })
            }
            Holder::Patient { .. } => None,
        }
    }

    /// The identity, for queries and audit rows.
    pub fn id(&self) -> UserId {
        self.id
    }
    /// The role at the moment of the request.
    pub fn role(&self) -> Role {
        self.role
    }
    /// The user; `None` where they must set up a second factor first.
    pub fn user(&self) -> Option<&SignedInUser> {
        self.user.as_ref()
    }
    /// Whether they proved a few minutes ago who they are.
    pub fn is_confirmed(&self) -> bool {
        self.is_confirmed
    }
}

/// The account of a user who proved a few minutes ago who they are: see [`ConfirmedUser`].
#[derive(Debug, Clone)]
pub struct ConfirmedAccount(OwnAccount);

impl ConfirmedAccount {
    /// The proof; `None` where the user last confirmed who they are too long ago.
    pub fn from_account(own: OwnAccount) -> Option<ConfirmedAccount> {
        own.is_confirmed.then_some(ConfirmedAccount(own))
    }

    /// The account.
    pub fn own(&self) -> &OwnAccount {
        &self.0
    }
    /// The user whose account it is.
    pub fn id(&self) -> UserId {
        self.0.id
    }
}

/// Those of these users who are active. They stay active until the transaction ends: a deactivation of one of them
/// waits for it, and then finds what they were given to do. Call this before a conversation or a patient is locked: a
/// deactivation also holds the user first, then that user's work.
pub fn active(tx: &mut Tx, named: &[UserId]) -> QueryResult<Vec<UserId>> {
    let mut all = named.to_vec();
    all.sort_unstable();
    all.dedup();
    for user in &all {
        hold_row(tx, "users", user.0)?;
    }
    let found = users::table.filter(users::id.eq_any(all)).filter(users::active.eq(true));
    found.order(users::id).select(users::id).load(tx.conn())
}

/// A user with the right `R`, and a patient whose chart exists.
#[derive(Debug)]
pub struct ChartAccess<R: Right = rights::Read> {
    user: SignedInUser<R>,
    patient: PatientId,
}

/// A user with the right `R`, and a conversation that exists.
#[derive(Debug)]
pub struct ConversationAccess<R: Right = rights::Read> {
    user: SignedInUser<R>,
    conversation: ConversationId,
    patient: PatientId,
}

/// A patient who has proved who they are, or a caregiver who has and reads for them, in a session that has not ended. Whether
/// they may still see or write anything is checked again in every transaction: see [`PortalVisit::is_open`].
#[derive(Debug, Clone)]
pub struct PortalVisit {
    patient: PatientId,
    carer: Option<Carer>,
}

/// Why a patient who has proved who they are sees nothing, and since when where that is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PortalRefusal {
    /// the clinic's portal is off
    PortalOff(Option<Ts>),
    /// this patient has no access to the portal
    NoAccess(Option<Ts>),
}

/// A patient whose session ended a while ago, in the browser that was theirs. It shows nothing and sends nothing; what
/// they were typing may be kept for them.
#[derive(Debug, Clone)]
pub struct LapsedVisit {
    visit: PortalVisit,
}

impl LapsedVisit {
    /// Whose session it was.
    pub fn visit(&self) -> &PortalVisit {
        &self.visit
    }
}

/// The patient who has this chart now: another one where this chart was merged into theirs.
pub fn survivor(conn: &mut Conn, patient: PatientId) -> QueryResult<PatientId> {
    let mut id = patient;
    loop {
        let row = patients::table.find(id).select(patients::merged_into);
        match row.first::<Option<PatientId>>(conn).optional()?.flatten() {
            Some(next) => id = next,
            None => return Ok(id),
        }
    }
}

/// Locks the patient's row until the transaction ends, and gives the patient who has the chart: it may have been merged
/// since a proof was made.
///
/// # Errors
/// Those of the database; `NotFound` where the record was deleted since.
pub fn held(tx: &mut Tx, patient: PatientId) -> QueryResult<PatientId> {
    lock_row(tx, "patients", patient.0)?;
    let now = survivor(tx, patient)?;
    if now != patient {
        lock_row(tx, "patients", now.0)?;
    }
    // whoever waited for a deletion does not write into what it has emptied
    patients::table.find(now).filter(patients::deleted_at.is_null()).select(patients::id).first(tx.conn())
}

/// The proof that `user` may act on this chart; `None` where there is no such chart. For a chart that was merged it is
/// the proof for the chart that it was merged into.
pub fn chart<R: Right>(
    conn: &mut Conn,
    user: SignedInUser<R>,
    patient: PatientId,
) -> QueryResult<Option<ChartAccess<R>>> {
    let patient = survivor(conn, patient)?;
    let there = patients::table.find(patient).filter(patients::deleted_at.is_null());
    let found = there.select(patients::id).first::<PatientId>(conn).optional()?;
    Ok(found.map(|patient| ChartAccess { user, patient }))
}

/// The proof that `user` may act on this conversation; `None` where there is no such conversation.
pub fn conversation<R: Right>(
    conn: &mut Conn,
    user: SignedInUser<R>,
    conversation: ConversationId,
) -> QueryResult<Option<ConversationAccess<R>>> {
    let there = conversations::table.inner_join(patients::table).filter(patients::deleted_at.is_null());
    let found = there.filter(conversations::id.eq(conversation)).select(conversations::patient_id);
    let found = found.first(conn).optional()?;
    Ok(found.map(|patient| ConversationAccess { user, conversation, patient }))
}

/// The user of something that was ordered before, at the moment when it is carried out; `None` where they are not active any
/// more, or their role does not have the right.
pub fn ordered<R: Right>(conn: &mut Conn, user: UserId) -> QueryResult<Option<SignedInUser<R>>> {
    let active = users::table.find(user).filter(users::active.eq(true));
    let found: Option<(String, Role)> = active.select((users::name, users::role)).first(conn).optional()?;
    let able = found.filter(|(_, role)| role.may(R::ACTION));
    Ok(able.map(|(name, role)| SignedInUser { id: user, name, role, right: PhantomData }))
}

/// The patient of a session that has ended; see [`Lapsed`].
pub fn lapsed_visit(lapsed: Lapsed) -> LapsedVisit {
    LapsedVisit { visit: PortalVisit { patient: lapsed.patient, carer: lapsed.carer } }
}

/// The patient of a session, and the caregiver who reads for them; `None` where nobody is signed in at the portal.
pub fn portal_visit(holder: &Holder) -> Option<PortalVisit> {
    match holder {
        Holder::Patient { id, carer, .. } => Some(PortalVisit { patient: *id, carer: *carer }),
        Holder::User { .. } => None,
    }
}

impl<R: Right> ChartAccess<R> {
    /// The proof for the chart as it is in this transaction; see [`held`].
    pub fn held(&self, tx: &mut Tx) -> QueryResult<ChartAccess<R>> {
        Ok(ChartAccess { user: self.user.clone(), patient: held(tx, self.patient)? })
    }
    /// A copy of the proof, for a second transaction of one request.
    pub fn again(&self) -> ChartAccess<R> {
        ChartAccess { user: self.user.clone(), patient: self.patient }
    }
    /// The user.
    pub fn user(&self) -> &SignedInUser<R> {
        &self.user
    }
    /// The patient whose chart it is.
    pub fn patient(&self) -> PatientId {
        self.patient
    }
}

impl<R: Right> ConversationAccess<R> {
    /// A copy of the proof, for a second transaction of one request.
    pub fn again(&self) -> ConversationAccess<R> {
        ConversationAccess { user: self.user.clone(), conversation: self.conversation, patient: self.patient }
    }
    /// The proof for the chart of its patient, with the same right.
    pub fn chart(&self) -> ChartAccess<R> {
        ChartAccess { user: self.user.clone(), patient: self.patient }
    }
    /// The user.
    pub fn user(&self) -> &SignedInUser<R> {
        &self.user
    }
    /// The conversation that the proof is for.
    pub fn conversation(&self) -> ConversationId {
        self.conversation
    }
    /// The patient of the conversation.
    pub fn patient(&self) -> PatientId {
        self.patient
    }
}

impl PortalVisit {
    /// The patient whose messages are read, for queries and audit rows.
    pub fn patient(&self) -> PatientId {
        self.patient
    }
    /// The caregiver who reads for the patient; `None`: the patient reads.
    pub fn caregiver(&self) -> Option<CaregiverId> {
        self.carer.map(|carer| carer.id())
    }
    /// The caregiver, with what holds for them.
    pub fn carer(&self) -> Option<Carer> {
        self.carer
    }
    /// Whether a conversation that began at this moment is shown. A caregiver sees none that is for the patient alone, and none
    /// from before their time.
    pub fn sees(&self, only_patient: bool, created_at: Ts) -> bool {
        self.carer.is_none_or(|carer| !only_patient && created_at >= carer.since())
    }

    /// Keeps the caregiver's row as it is until the transaction ends, before any conversation or patient, and says whether they still read for the
    /// patient: whoever ends it waits, or was first. Of the patient it holds nothing.
    pub fn hold(&self, tx: &mut Tx) -> QueryResult<bool> {
        let Some(carer) = self.carer else { return Ok(true) };
        share_row(tx, "caregivers", carer.id().0)?;
        carer.still_reads_for(tx, self.patient)
    }

    /// What keeps them out of the portal at this moment, in this transaction; `None` where nothing does.
    pub fn refusal(&self, conn: &mut Conn) -> QueryResult<Option<PortalRefusal>> {
        let portal = clinic::table.find(1).select((clinic::portal_on, clinic::portal_since));
        let (on, since): (bool, Option<Ts>) = portal.first(conn)?;
        if !on {
            return Ok(Some(PortalRefusal::PortalOff(since)));
        }
        let own = patients::table.find(self.patient).select((patients::portal_access, patients::portal_access_since));
        let (access, since): (bool, Option<Ts>) = own.first(conn)?;
        if !access {
            return Ok(Some(PortalRefusal::NoAccess(since)));
        }
        let ended = match self.carer {
            Some(carer) => !carer.still_reads_for(conn, self.patient)?,
            None => false,
        };
        Ok(ended.then_some(PortalRefusal::NoAccess(None)))
    }

    /// Whether the portal is on and this patient has access, at this moment in this transaction.
    pub fn is_open(&self, conn: &mut Conn) -> QueryResult<bool> {
        Ok(self.refusal(conn)?.is_none())
    }
}
