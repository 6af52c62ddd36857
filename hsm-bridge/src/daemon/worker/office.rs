//! Orders of administrators: read, judged, used up, written down, carried out, written down again, in this sequence and one at a time.

use std::io;
use std::os::unix::net::UnixStream;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::connections::refuse;
use super::record::word;
use super::service::{Service, wall_clock};
use super::watch::{Call, Watched};
use crate::KeyStoreError;
use crate::admin::{Administrators, Agreed, Approval, Judgement, Order, Refusal, UsedOrders};
use crate::audit::{DONE, KeyOperation};
use crate::daemon::control::Configuration;
use crate::wire::{Inbound, Outbound, Reply, ReplyFrame, Request, RequestFrame};

/// How long a connection may be silent.
const SILENCE_LIMIT: Duration = Duration::from_secs(30);
/// Who is named in the record of what no readable order names an author of.
const SOMEBODY: &str = "(administrators)";
/// The operation's name in the record of what is no readable order.
const ORDER: &str = "order";
/// The result word of an order that is not carried out.
const REFUSED: &str = "not-permitted";
/// The longest part of a record that repeats what a peer sent.
const MAX_REPEATED: usize = 256;

/// Where orders for one token are carried out.
pub(super) struct Office {
    service: Arc<Service>,
    token: String,
    /// Those whose orders count, and the orders they used; nothing where nobody is an administrator.
    open: Option<(Administrators, UsedOrders)>,
    /// Held while an order is looked at and carried out.
    desk: Mutex<()>,
}

impl Office {
    pub(super) fn open(
        configuration: &Configuration,
        service: Arc<Service>,
    ) -> Result<Self, KeyStoreError> {
        let open = if configuration.administrators.is_empty() {
            None
        } else {
            Some((
                Administrators::new(&configuration.administrators)?,
                UsedOrders::open(configuration.orders_folder.clone())?,
            ))
        };
        Ok(Self {
            service,
            token: configuration.token.name.clone(),
            open,
            desk: Mutex::new(()),
        })
    }

    /// Answers orders, and refuses everything else, until the peer leaves.
    pub(super) fn converse(&self, mut stream: UnixStream) {
        if let Err(error) = self.exchange(&mut stream) {
            tracing::info!(%error, "a connection of administrators ended");
        }
    }

    fn exchange(&self, stream: &mut UnixStream) -> io::Result<()> {
        stream.set_read_timeout(Some(SILENCE_LIMIT))?;
        stream.set_write_timeout(Some(SILENCE_LIMIT))?;
        let mut inbound = Inbound::new();
        let mut outbound = Outbound::new();
        while let Some(content) = inbound.next(stream)? {
            let arrived = Instant::now();
            let malformed = |e| io::Error::new(io::ErrorKind::InvalidData, e);
            let frame = match RequestFrame::decode(content) {
                Ok(frame) => frame,
                Err(error) => {
                    refuse(
                        stream.try_clone()?,
                        KeyStoreError::BadRequest(error.to_string()),
                    );
                    return Err(malformed(error));
                }
            };
            let reply = self.answer(&frame, arrived);
            let frame = ReplyFrame {
                id: frame.id,
                reply: reply.unwrap_or_else(Reply::Failed),
            };
            outbound
                .push(false, |to| frame.encode(to))
                .map_err(malformed)?;
            outbound.flush(stream)?;
        }
        Ok(())
    }

    fn answer(&self, frame: &RequestFrame, arrived: Instant) -> Result<Reply, KeyStoreError> {
        match (&frame.request, &self.open) {
            (Request::Order { order, approvals }, Some((administrators, used))) => {
                let _one_at_a_time = self.desk.lock().unwrap_or_else(PoisonError::into_inner);
                let limit = Limit {
                    call: Call::of(SOMEBODY, &frame.request),
                    deadline_ms: frame.deadline_ms,
                    arrived,
                };
                self.take((administrators, used), order, approvals, &limit)
                    .map(Reply::Carried)
            }
            (request, _) => {
                let (operation, _) = request.describe();
                tracing::warn!(operation, "not permitted at the administrators' door");
                self.service
                    .recorder
                    .noted(SOMEBODY, operation, None, None, None, REFUSED)?;
                Err(KeyStoreError::NotPermitted)
            }
        }
    }

    /// From the bytes of an order to the report of what was done.
    fn take(
        &self,
        (administrators, used): (&Administrators, &UsedOrders),
        bytes: &[u8],
        approvals: &[(String, Vec<u8>)],
        limit: &Limit,
    ) -> Result<String, KeyStoreError> {
        let read = Order::parse(bytes).and_then(|order| {
            let approvals = approvals
                .iter()
                .map(|(name, signature)| Approval::new(name, signature.clone()));
            Ok((order, approvals.collect::<Result<Vec<_>, _>>()?))
        });
        let (order, approvals) = match read {
            Ok(read) => read,
            Err(error) => return self.unreadable(bytes, &error.to_string()),
        };
        let now = wall_clock();
        let Judgement { signers, verdict } =
            administrators.judge((&order, bytes), &approvals, &self.token, now);
        let hash = Order::hash(bytes);
        let case = Case {
            order: &order,
            hash: &hash,
        };
        let agreed = match verdict {
            Ok(agreed) => agreed,
            Err(refusal) => return self.refuse(&case, &signers, &refusal),
        };
        // One that comes too late, or to a worker that ends, is not used up.
        drop(limit.watch(&self.service)?);
        if !used.spend(order.id, &hash)? {
            return self.refuse(&case, &signers, &Refusal::Used);
        }
        self.carry_out(&case, &agreed, limit)
    }

    fn carry_out(
        &self,
        case: &Case<'_>,
        agreed: &Agreed,
        limit: &Limit,
    ) -> Result<String, KeyStoreError> {
        let began = Instant::now();
        let detail = format!(
            "order {} by {}, approved by {}",
            case.order.id,
            agreed.author,
            agreed.approvers.join(", ")
        );
        let recorder = &self.service.recorder;
        let intent = recorder.order_begun(case.operation(&detail))?;
        tracing::warn!(
            operation = case.order.operation.name(),
            key = %case.order.operation.label(),
            detail,
            "an order is carried out"
        );
        let done = self
            .service
            .perform_order(case.order, case.hash, agreed, limit);
        let result = done.as_ref().map_or_else(word, |_| DONE);
        let mut operation = case.operation(&detail);
        if let Ok(report) = &done {
            operation.key_id = report.key_id.or(operation.key_id);
        }
        recorder.order_settled(operation, Some(intent), result, began.elapsed())?;
        done.and_then(|report| report.encode())
    }

    /// Writes down an order that is not carried out, and tells its bearer why.
    fn refuse(
        &self,
        case: &Case<'_>,
        signers: &[String],
        refusal: &Refusal,
    ) -> Result<String, KeyStoreError> {
        let signed = if signers.is_empty() {
            "nobody".to_owned()
        } else {
            signers.join(", ")
        };
        let detail = format!(
            "order {} by {}, signed by {signed}: {refusal}",
            case.order.id, case.order.author
        );
        tracing::warn!(detail, "an order is refused");
        let operation = case.operation(&detail);
        self.service
            .recorder
            .order_settled(operation, None, REFUSED, Duration::ZERO)?;
        Err(KeyStoreError::BadRequest(format!(
            "the order is refused: {refusal}"
        )))
    }

    fn unreadable(&self, bytes: &[u8], error: &str) -> Result<String, KeyStoreError> {
        let repeated = error
            .get(..error.floor_char_boundary(MAX_REPEATED))
            .unwrap_or_default();
        let detail = format!("no order: {repeated}");
        let operation = KeyOperation {
            caller: SOMEBODY,
            operation: ORDER,
            digest: Some(&Order::hash(bytes)),
            detail: Some(&detail),
            ..KeyOperation::default()
        };
        self.service
            .recorder
            .order_settled(operation, None, REFUSED, Duration::ZERO)?;
        Err(KeyStoreError::BadRequest(format!(
            "this is no order: {repeated}"
        )))
    }
}

/// When an order must have been carried out.
pub(super) struct Limit {
    /// How its calls into the token are known.
    call: Call,
    deadline_ms: u32,
    arrived: Instant,
}

impl Limit {
    /// Watches calls into the token until the returned value is dropped.
    pub(super) fn watch<'a>(&self, service: &'a Service) -> Result<Watched<'a>, KeyStoreError> {
        service.watch(self.call.clone(), self.deadline_ms, self.arrived)
    }

    /// The last moment.
    pub(super) fn ends(&self) -> Instant {
        self.arrived + Duration::from_millis(self.deadline_ms.into())
    }
}

/// An order that reads well, and the hash by which records name it.
struct Case<'a> {
    order: &'a Order,
    hash: &'a [u8; 32],
}

impl<'a> Case<'a> {
    fn operation(&self, detail: &'a str) -> KeyOperation<'a> {
        let operation = &self.order.operation;
        KeyOperation {
            caller: &self.order.author,
            operation: operation.recorded(),
            key: Some(operation.label()),
            key_id: operation.id(),
            digest: Some(self.hash),
            detail: Some(detail),
            ..KeyOperation::default()
        }
    }
}
