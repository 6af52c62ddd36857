use std::sync::Barrier;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::*;

#[test]
fn of_many_who_race_one_has_the_order_and_it_stays_used() {
    let folder = tempfile::tempdir().unwrap();
    let orders = || UsedOrders::open(folder.path().join("orders/main")).unwrap();
    let id = |number| OrderId::from_bytes([number; 16]);
    let (ready, won) = (Barrier::new(8), AtomicUsize::new(0));
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                // Each as another process would have it.
                let orders = orders();
                ready.wait();
                if orders.spend(id(1), &[1; 32]).unwrap() {
                    won.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
    });
    assert_eq!(won.load(Ordering::Relaxed), 1);
    assert_eq!(orders().spend(id(1), &[1; 32]), Ok(false));
    assert_eq!(orders().spend(id(2), &[1; 32]), Ok(true));
    assert_eq!(orders().count(), 2);
}

#[test]
fn an_order_that_cannot_be_noted_is_not_used() {
    let folder = tempfile::tempdir().unwrap();
    let orders = UsedOrders::open(folder.path().join("orders")).unwrap();
    std::fs::remove_dir(folder.path().join("orders")).unwrap();
    assert!(
        orders
            .spend(OrderId::from_bytes([1; 16]), &[1; 32])
            .is_err()
    );
}
