use proptest::collection::vec;
use proptest::prelude::*;

use super::*;
use crate::{
    DataKey, KeyAlgorithm, KeyId, KeyLabel, KeyStoreError, SecretPurpose, SignatureScheme,
};

fn label() -> impl Strategy<Value = KeyLabel> {
    "[a-z]{1,8}/[a-z0-9-]{1,3}[a-z]".prop_filter_map("a label", |text| KeyLabel::parse(&text).ok())
}

fn bytes() -> impl Strategy<Value = Vec<u8>> {
    vec(any::<u8>(), 0..200)
}

fn request() -> impl Strategy<Value = Request> {
    let id = any::<[u8; 20]>().prop_map(KeyId::from_bytes);
    let scheme = prop::sample::select(SignatureScheme::ALL.to_vec());
    let algorithm = prop::sample::select(KeyAlgorithm::ALL.to_vec());
    prop_oneof![
        Just(Request::Health),
        label().prop_map(|label| Request::Attach {
            target: Target::Label(label)
        }),
        any::<u32>().prop_map(|route| Request::Attach {
            target: Target::Route(route)
        }),
        (id.clone(), scheme.clone(), any::<u64>())
            .prop_map(|(id, scheme, length)| Request::SignLong { id, scheme, length }),
        bytes().prop_map(|bytes| Request::Piece { bytes }),
        "[a-z-]{1,9}".prop_map(|name| Request::Attach {
            target: Target::Token(name)
        }),
        (bytes(), vec(("[a-z-]{1,9}", bytes()), 0..4))
            .prop_map(|(order, approvals)| Request::Order { order, approvals }),
        (
            label(),
            algorithm.clone(),
            bytes(),
            "[a-z.]{0,20}",
            "[a-z:/.]{0,20}"
        )
            .prop_map(|(label, algorithm, public_key, rp_id, origin)| {
                Request::Held(HeldRequest::Generate {
                    label,
                    algorithm,
                    holder: Passkey {
                        public_key,
                        rp_id,
                        origin,
                    },
                })
            }),
        (id.clone(), bytes(), vec(bytes(), 0..5)).prop_map(|(id, context, digests)| {
            Request::Held(HeldRequest::Activate {
                id,
                context,
                digests,
            })
        }),
        (
            id.clone(),
            scheme.clone(),
            bytes(),
            bytes(),
            bytes(),
            bytes()
        )
            .prop_map(
                |(id, scheme, message, client_data_json, authenticator_data, signature)| {
                    Request::Held(HeldRequest::Sign {
                        id,
                        scheme,
                        message,
                        assertion: Answered {
                            client_data_json,
                            authenticator_data,
                            signature,
                        },
                    })
                }
            ),
        label().prop_map(|label| Request::Find { label }),
        id.clone().prop_map(|id| Request::Describe { id }),
        (label(), algorithm.clone())
            .prop_map(|(label, algorithm)| Request::Generate { label, algorithm }),
        id.clone().prop_map(|id| Request::Destroy { id }),
        (id, scheme, bytes(), any::<bool>()).prop_map(|(id, scheme, bytes, whole)| Request::Sign {
            id,
            scheme,
            payload: if whole {
                Payload::Message(bytes)
            } else {
                Payload::Digest(bytes)
            },
        }),
        (label(), any::<bool>()).prop_map(|(label, mac)| Request::GenerateSecret {
            label,
            purpose: if mac {
                SecretPurpose::Mac
            } else {
                SecretPurpose::KeyEncryption
            },
        }),
        (label(), bytes(), any::<[u8; 32]>()).prop_map(|(kek, aad, key)| Request::Wrap {
            kek,
            aad,
            key: DataKey::from_bytes(key),
        }),
        (label(), bytes(), bytes()).prop_map(|(kek, aad, wrapped)| Request::Unwrap {
            kek,
            aad,
            wrapped
        }),
        (label(), bytes()).prop_map(|(key, message)| Request::Hmac { key, message }),
    ]
}

fn reply() -> impl Strategy<Value = Reply> {
    let id = any::<[u8; 20]>().prop_map(KeyId::from_bytes);
    prop_oneof![
        Just(Reply::Done),
        ".{0,40}".prop_map(Reply::Carried),
        (any::<u32>(), any::<u32>()).prop_map(|(route, routes)| Reply::Attached { route, routes }),
        Just(Reply::Failed(KeyStoreError::OutcomeUnknown)),
        any::<[u8; 32]>().prop_map(Reply::Challenge),
        prop::option::of(id.clone()).prop_map(Reply::Found),
        id.prop_map(Reply::Made),
        bytes().prop_map(Reply::Signature),
        bytes().prop_map(Reply::Wrapped),
        any::<[u8; 32]>().prop_map(|key| Reply::Opened(DataKey::from_bytes(key))),
        any::<[u8; 32]>().prop_map(Reply::Mac),
        Just(Reply::Failed(KeyStoreError::NotPermitted)),
        "[a-z ]{0,40}".prop_map(|text| Reply::Failed(KeyStoreError::TokenUnavailable(text))),
        "[a-z ]{0,40}".prop_map(|text| Reply::Failed(KeyStoreError::BadRequest(text))),
    ]
}

proptest! {
    #[test]
    fn requests_survive_the_wire(id: u64, deadline_ms: u32, request in request()) {
        let mut first = Vec::new();
        request.encode(id, deadline_ms, &mut first);
        let decoded = RequestFrame::decode(&first).unwrap();
        prop_assert_eq!((decoded.id, decoded.deadline_ms), (id, deadline_ms));
        let mut second = Vec::new();
        decoded.request.encode(id, deadline_ms, &mut second);
        prop_assert_eq!(first, second);
    }

    #[test]
    fn replies_survive_the_wire(id: u64, reply in reply()) {
        let mut first = Vec::new();
        ReplyFrame { id, reply }.encode(&mut first);
        let decoded = ReplyFrame::decode(&first).unwrap();
        let mut second = Vec::new();
        decoded.encode(&mut second);
        prop_assert_eq!(first, second);
    }

    #[test]
    fn a_cut_or_lengthened_request_is_refused(request in request(), cut in 1usize..20) {
        let mut frame = Vec::new();
        request.encode(7, 1, &mut frame);
        prop_assert!(RequestFrame::decode(&frame[..frame.len() - cut.min(frame.len())]).is_err());
        frame.push(0);
        prop_assert!(RequestFrame::decode(&frame).is_err());
    }

    #[test]
    fn garbage_never_panics(bytes in vec(any::<u8>(), 0..400)) {
        let _ = RequestFrame::decode(&bytes);
        let _ = ReplyFrame::decode(&bytes);
        let mut versioned = vec![VERSION];
        versioned.extend_from_slice(&bytes);
        let _ = RequestFrame::decode(&versioned);
        let _ = ReplyFrame::decode(&versioned);
        let mut inbound = Inbound::new();
        let mut stream = bytes.as_slice();
        while let Ok(Some(_)) = inbound.next(&mut stream) {}
    }

    #[test]
    fn frames_survive_any_cutting_of_the_stream(frames in vec(vec(any::<u8>(), 0..40_000), 1..6), step in 1usize..9_000) {
        let mut outbound = Outbound::new();
        for frame in &frames {
            outbound.push(true, |to| to.extend_from_slice(frame)).unwrap();
        }
        let mut stream = Vec::new();
        outbound.flush(&mut stream).unwrap();
        let mut stream = Trickle { bytes: &stream, step };
        let mut inbound = Inbound::new();
        for frame in &frames {
            prop_assert_eq!(inbound.next(&mut stream).unwrap(), Some(frame.as_slice()));
            inbound.wipe();
        }
        prop_assert_eq!(inbound.next(&mut stream).unwrap(), None);
    }
}

struct Trickle<'a> {
    bytes: &'a [u8],
    step: usize,
}

impl std::io::Read for Trickle<'_> {
    fn read(&mut self, to: &mut [u8]) -> std::io::Result<usize> {
        let count = to.len().min(self.step).min(self.bytes.len());
        to[..count].copy_from_slice(&self.bytes[..count]);
        self.bytes = &self.bytes[count..];
        Ok(count)
    }
}

#[test]
fn a_frame_over_the_cap_is_refused_before_it_is_read() {
    let length = u32::try_from(MAX_FRAME + 1).unwrap().to_be_bytes();
    let error = Inbound::new().next(&mut length.as_slice()).unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::InvalidData);
    assert!(
        Outbound::new()
            .push(false, |to| to.extend_from_slice(&vec![0; MAX_FRAME + 1]))
            .is_err()
    );
}
