//! Each data centre has an address that serves files and nothing else, and who connects where can be told.

use grammers_tl_types::{enums, functions as f};
use telescribe_simulator::{Outcome, Post};

use crate::client::{Client, refusal, spec, start};
use crate::files::{bytes, channel, download, file_of, let_in, location, part, sha256};

#[tokio::test]
async fn the_configuration_lists_the_media_addresses_beside_the_others() {
    let simulator = start(&spec()).await;
    let client = Client::connect(&simulator, "alpha");
    let enums::Config::Config(config) = client.call(&f::help::GetConfig {}).await.unwrap();
    let listed = |media_only: bool| -> Vec<(i32, u16)> {
        let options = config.dc_options.iter().map(|enums::DcOption::Option(option)| option);
        options.filter(|option| option.media_only == media_only).map(|option| (option.id, option.port as u16)).collect()
    };
    let given = |of: &[telescribe_simulator::DataCentreAccess]| -> Vec<(i32, u16)> {
        of.iter().map(|dc| (dc.id, dc.address.port())).collect()
    };
    assert_eq!(listed(false), given(&client.access.data_centres));
    assert_eq!(listed(true), given(&client.access.media_data_centres));
    assert_eq!(listed(true).len(), 3);
    simulator.stop().await;
}

#[tokio::test]
async fn a_media_address_serves_files_and_refuses_everything_else() {
    let simulator = start(&spec()).await;
    let (client, media) = (Client::connect(&simulator, "alpha"), Client::connect_to_media(&simulator, "alpha"));
    let (peer, home) = (channel(&simulator), client.access.home_dc);
    let away = client.access.data_centres.iter().find(|dc| dc.id != home).unwrap().id;
    for dc in [home, away] {
        let id = simulator.post(peer, Post::document("a.bin", "application/octet-stream", 700_000).in_dc(dc)).unwrap();
        let location = location(&simulator, &client, peer, id).await;
        if dc == away {
            // The same key as at the other address: whoever is let in at the one is let in at the other.
            assert_eq!(refusal(media.call_in(dc, &part(location.clone(), 0)).await), "AUTH_KEY_UNREGISTERED");
            let exported = client.call(&f::auth::ExportAuthorization { dc_id: dc }).await.unwrap();
            let enums::auth::ExportedAuthorization::Authorization(exported) = exported;
            let import = f::auth::ImportAuthorization { id: exported.id, bytes: exported.bytes };
            media.call_in(dc, &import).await.unwrap();
        }
        let content = download(&media, dc, &location).await;
        let file = file_of(&simulator, peer, id);
        assert_eq!(simulator.inspect(|world| world.file_hash(file, "")), Some(sha256(&content)));
    }
    assert_eq!(media.refusal(&f::updates::GetState {}).await, "MEDIA_ADDRESS_ONLY");
    assert_eq!(media.refusal(&f::auth::ExportAuthorization { dc_id: away }).await, "MEDIA_ADDRESS_ONLY");
    let at_media = |entry: &telescribe_simulator::LedgerEntry| entry.method == "upload.getFile" && entry.media_only;
    let served: Vec<i32> =
        simulator.ledger().into_iter().filter(at_media).filter(|e| e.outcome == Outcome::Ok).map(|e| e.dc).collect();
    assert_eq!(served, [home, home, away, away]);
    assert!(simulator.ledger().iter().all(|entry| entry.media_only || entry.method != "upload.getFile"));
    simulator.stop().await;
}

#[tokio::test]
async fn a_media_address_falls_silent_and_restarts_by_itself_and_comes_back_after_a_stop() {
    let simulator = start(&spec()).await;
    let (client, media) = (Client::connect(&simulator, "alpha"), Client::connect_to_media(&simulator, "alpha"));
    let (peer, home) = (channel(&simulator), client.access.home_dc);
    let id = simulator.post(peer, Post::document("a.bin", "application/octet-stream", 5_000).in_dc(home)).unwrap();
    let asked = part(location(&simulator, &client, peer, id).await, 0);
    assert_eq!(bytes(media.call(&asked).await.unwrap()).len(), 5_000);
    simulator.silence_media_dc(home, true);
    let silent = media.handle.invoke_in_dc(home, &asked);
    assert!(tokio::time::timeout(std::time::Duration::from_millis(300), silent).await.is_err());
    client.call(&asked).await.unwrap();
    simulator.silence_media_dc(home, false);
    simulator.restart_media_dc(home);
    if media.call(&asked).await.is_err() {
        media.call(&asked).await.unwrap();
    }
    let last = simulator.ledger().into_iter().rev().find(|entry| entry.outcome == Outcome::Ok).unwrap();
    assert!(last.media_only && last.method == "upload.getFile");
    let ports = media.access.media_data_centres.iter().map(|dc| dc.address.port()).collect::<Vec<_>>();
    let simulator = simulator.stop_keeping().await.start_again().await.unwrap();
    let again = simulator.accounts()[0].media_data_centres.iter().map(|dc| dc.address.port()).collect::<Vec<_>>();
    assert_eq!(ports, again);
    if media.call(&asked).await.is_err() {
        media.call(&asked).await.unwrap();
    }
    simulator.stop().await;
}

#[tokio::test]
async fn an_authorisation_is_for_one_account_and_one_data_centre() {
    let simulator = start(&spec()).await;
    let (alpha, bravo) = (Client::connect(&simulator, "alpha"), Client::connect(&simulator, "bravo"));
    let (peer, home) = (channel(&simulator), alpha.access.home_dc);
    let others: Vec<i32> = alpha.access.data_centres.iter().map(|dc| dc.id).filter(|dc| *dc != home).collect();
    assert_eq!(alpha.refusal(&f::auth::ExportAuthorization { dc_id: home }).await, "DC_ID_INVALID");
    let enums::auth::ExportedAuthorization::Authorization(exported) =
        alpha.call(&f::auth::ExportAuthorization { dc_id: others[0] }).await.unwrap();
    let import = f::auth::ImportAuthorization { id: exported.id, bytes: exported.bytes };
    assert_eq!(refusal(alpha.call_in(others[1], &import).await), "AUTH_BYTES_INVALID");
    assert_eq!(refusal(bravo.call_in(others[0], &import).await), "AUTH_BYTES_INVALID");
    for dc in others {
        let id = simulator.post(peer, Post::document("a.bin", "application/octet-stream", 9).in_dc(dc)).unwrap();
        let asked = part(location(&simulator, &alpha, peer, id).await, 0);
        assert_eq!(alpha.refusal(&asked).await, format!("FILE_MIGRATE_{dc}"));
        assert_eq!(refusal(alpha.call_in(dc, &asked).await), "AUTH_KEY_UNREGISTERED");
        let_in(&alpha, dc).await;
        assert_eq!(bytes(alpha.call_in(dc, &asked).await.unwrap()).len(), 9);
    }
    simulator.stop().await;
}
