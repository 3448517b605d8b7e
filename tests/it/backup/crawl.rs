//! Backups of a program that crawls: asked for over its socket, and by its schedule.

use std::collections::BTreeSet;
use std::fs;
use std::net::SocketAddr;

use serde_json::{Value, json};
use telescribe::app::App;
use telescribe::archive::DataFolder;
use telescribe::cli::client::{Api, Globals, Refusal, Target};
use telescribe::cli::{Out, backup, restore};
use telescribe::config::{BackupJobConfig, ListenerConfig, SealingConfig};
use telescribe::seal::{MasterKey, system_random};
use telescribe::views::ChangesPage;
use telescribe_simulator::{PeerId, Post, WorldSpec};

use crate::support::commands::Written;
use crate::support::fleet::{Fleet, small, wish_of};

/// How often the program is killed.
const KILLS: usize = 8;

/// A fleet whose sessions are sealed.
async fn sealed(spec: WorldSpec) -> Fleet {
    use std::os::unix::fs::PermissionsExt as _;
    let mut fleet = Fleet::new(spec).await;
    let file = fleet.path("master.key");
    fs::write(&file, MasterKey::generate(&mut system_random()).text().as_bytes()).unwrap();
    fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
    fleet.config.accounts.master_key_file = file;
    fleet
}

/// `telescribe backup FOLDER`, whether the program runs or not; returns what it writes with `--json`.
async fn back_up(fleet: &Fleet, keep: Option<u32>) -> Value {
    let args = backup::Args { target: fleet.path("backups"), keep, list: false, verify: None };
    let mut globals = fleet.globals();
    globals.json = true;
    let written = Written::default();
    backup::write(&args, &globals, || Ok(fleet.config.clone()), &mut Out::to(written.clone())).await.unwrap();
    serde_json::from_str(&written.text()).unwrap()
}

fn restore_newest(fleet: &Fleet) -> String {
    let written = Written::default();
    let args = restore::Args { target: fleet.path("backups"), backup: None };
    restore::write(&args, &fleet.globals(), &fleet.config, &mut Out::to(written.clone())).unwrap();
    written.text()
}

/// The ids of all events.
async fn event_ids(fleet: &Fleet) -> BTreeSet<String> {
    let mut ids = BTreeSet::new();
    let take = |line: &str| {
        let event: Value = serde_json::from_str(line)?;
        assert!(ids.insert(event["id"].as_str().unwrap().to_owned()), "{event}");
        Ok(())
    };
    let api = Api::open(&fleet.globals()).await.unwrap();
    api.each_line::<ChangesPage>(&Target::new("/v1/changes").with("events", true), take).await.unwrap();
    ids
}

async fn started(fleet: &Fleet) -> App {
    let app = fleet.start().await;
    fleet.until("something is archived", || app.archive.last_seq().0 > 500).await;
    app
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_backup_of_a_crawl_restores_is_crawled_on_to_the_truth_and_its_new_events_have_new_ids() {
    let fleet = sealed(WorldSpec { messages: 12_000, ..small() }).await;
    let app = started(&fleet).await;
    let made = back_up(&fleet, None).await;
    assert!(made["change"].as_u64().unwrap() >= 500, "{made}");
    assert_eq!(made["sessions_left_out"], Value::Null, "{made}");
    fleet.until_equal(&app).await;
    let peer: PeerId = fleet.simulator.inspect(|world| world.chats.iter().map(|c| c.peer).find(|p| p.marked() < 0).unwrap());
    let id = fleet.simulator.post(peer, Post::text("after the backup")).unwrap();
    fleet.until_equal(&app).await;
    let before = event_ids(&fleet).await;
    fleet.stop(app).await;

    fs::remove_dir_all(fleet.data()).unwrap();
    fs::remove_dir_all(&fleet.config.accounts.sessions).unwrap();
    let told = tokio::task::block_in_place(|| restore_newest(&fleet));
    assert!(
        told.contains(&format!("archive: up to change {}", made["change"])) && told.contains("next: `telescribe run`"),
        "{told}"
    );
    assert!(told.contains("sessions: restored in"), "{told}");
    // Meanwhile the world went on.
    fleet.simulator.edit(peer, id, "after the backup, edited").unwrap();
    let app = fleet.start_and_finish().await;
    assert!(app.archive.view().verify().unwrap().differences.is_empty());
    let after = event_ids(&fleet).await;
    // The same numbers are other changes now.
    let number = |id: &str| id.split('.').nth(2).unwrap().parse::<u64>().unwrap();
    let behind =
        |ids: &BTreeSet<String>| ids.iter().filter(|id| number(id) > made["change"].as_u64().unwrap()).cloned().collect();
    let (before, after): (BTreeSet<String>, BTreeSet<String>) = (behind(&before), behind(&after));
    assert!(!before.is_empty() && !after.is_empty() && before.is_disjoint(&after));
    fleet.stop(app).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn backups_go_on_beside_a_crawl_and_each_of_them_is_whole() {
    let fleet = sealed(WorldSpec { messages: 12_000, ..small() }).await;
    let app = started(&fleet).await;
    for _ in 0..5 {
        back_up(&fleet, None).await;
    }
    fleet.until_equal(&app).await;
    let last = back_up(&fleet, None).await;
    fleet.stop(app).await;
    assert_eq!(tokio::task::block_in_place(|| super::whole(&fleet.path("backups"))), [true; 6]);
    // And when it is stopped.
    let stopped = back_up(&fleet, Some(1)).await;
    assert!(stopped["change"].as_u64() >= last["change"].as_u64(), "{last} {stopped}");
    fs::remove_dir_all(fleet.data()).unwrap();
    tokio::task::block_in_place(|| restore_newest(&fleet));
    let app = fleet.start_and_finish().await;
    fleet.stop(app).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_at_any_moment_of_a_backup_the_others_stay_whole_and_nothing_of_it_is_left() {
    let fleet = sealed(WorldSpec { messages: 20_000, ..small() }).await;
    let target = fleet.path("backups");
    for kill in 0..KILLS {
        let mut daemon = fleet.daemon();
        daemon
            .env("TELESCRIBE__ACCOUNTS__MASTER_KEY_FILE", &fleet.config.accounts.master_key_file)
            .env("TELESCRIBE__JOBS__BACKUP__TARGET", &target)
            .env("TELESCRIBE__JOBS__BACKUP__CRON", "* * * * * *")
            .env("TELESCRIBE__JOBS__BACKUP__JITTER", "0s");
        let mut child = daemon.spawn().unwrap();
        // In the middle of one: what is copied is there before the backup is.
        let copied = || fs::read_dir(target.join("files")).map_or(0, Iterator::count);
        let before = copied();
        fleet.until("something is copied", || copied() > before).await;
        tokio::time::sleep(std::time::Duration::from_millis(u64::try_from(kill).unwrap() * 3)).await;
        child.kill().unwrap();
        child.wait().unwrap();
        // Only what has its name is a backup: the first one may have been killed while its manifest was written.
        if super::names(&target.join("backups")).iter().any(|name| !name.starts_with('.')) {
            let whole = tokio::task::block_in_place(|| super::whole(&target));
            assert!(whole.iter().all(|whole| *whole), "killed {kill} times: {whole:?}");
        }
    }
    let app = fleet.start_and_finish().await;
    back_up(&fleet, Some(1)).await;
    fleet.stop(app).await;
    let left =
        |folder: &std::path::Path| super::names(folder).into_iter().filter(|name| name.starts_with('.')).collect::<Vec<_>>();
    assert_eq!((left(&target.join("files")), left(&target.join("backups"))), (Vec::new(), Vec::new()));
    assert_eq!(left(&fleet.data()).into_iter().filter(|name| name.starts_with(".backup-")).count(), 0);
    assert_eq!(tokio::task::block_in_place(|| super::whole(&target)), [true]);
    fs::remove_dir_all(fleet.data()).unwrap();
    tokio::task::block_in_place(|| restore_newest(&fleet));
    let app = fleet.start_and_finish().await;
    fleet.stop(app).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn scheduled_backups_are_made_kept_in_number_and_remembered_over_a_restart() {
    let mut fleet = sealed(small()).await;
    let target = fleet.path("backups");
    let (cron, jitter) = ("* * * * * *".to_owned(), fleet.config.accounts.request_interval);
    fleet.config.jobs.backup = BackupJobConfig { target: target.clone(), keep: 2, cron, jitter, ..BackupJobConfig::default() };
    let app = fleet.start().await;
    let third =
        |status: &Value| status["backup"]["newest"]["id"].as_str().is_some_and(|id| !id.ends_with("-1") && !id.ends_with("-2"));
    fleet.until_got("/v1/status", third).await;
    let jobs = fleet.get("/v1/jobs").await;
    assert_eq!(crate::support::fleet::job(&jobs, "backup", None)["peers"], Value::Null);
    fleet.stop(app).await;
    assert_eq!(tokio::task::block_in_place(|| super::whole(&target)).len(), 2);

    // By the schedule no more, but when somebody says so; and then into a folder that cannot be made.
    fleet.config.jobs.backup.enabled = false;
    let stopped = fleet.get("/v1/status").await;
    let newest = stopped["backup"]["newest"]["id"].as_str().unwrap().to_owned();
    assert_eq!((&stopped["running"], &stopped["backup"]["state"]), (&json!(false), &json!("made")));
    let blocked = fleet.path("a file");
    fs::write(&blocked, "").unwrap();
    fleet.config.jobs.backup.target = blocked.clone();
    let app = fleet.start().await;
    fleet.wish("/v1/jobs/backup/run", json!({})).await.unwrap();
    let failed = fleet.until_got("/v1/status", |status| status["backup"]["state"] == "failed").await;
    assert_eq!(failed["backup"]["newest"]["id"], newest.as_str());
    assert!(failed["backup"]["failures"][0]["why"].as_str().unwrap().contains("a file"), "{failed:#}");
    fleet.stop(app).await;
    let stopped = fleet.get("/v1/status").await;
    assert_eq!(stopped["backup"]["state"], "failed", "{stopped:#}");

    fleet.config.jobs.backup.target = std::path::PathBuf::new();
    let app = fleet.start().await;
    let refused = fleet.wish("/v1/jobs/backup/run", json!({})).await.unwrap_err();
    assert_eq!(refused.code, "no-backup-target");
    let refused = fleet.wish("/v1/backups", json!({ "target": "relative" })).await.unwrap_err();
    assert_eq!(refused.code, "bad-body");
    fleet.stop(app).await;
    assert!(DataFolder::backup_record(&fleet.data()).exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn only_the_owner_of_the_data_folder_names_where_a_backup_goes() {
    let mut fleet = Fleet::new(small()).await;
    let any = SocketAddr::from(([127, 0, 0, 1], 0));
    fleet.config.http.listeners = vec![ListenerConfig { operate: true, ..ListenerConfig::new(any, SealingConfig::Off) }];
    let app = fleet.start().await;
    let elsewhere = Globals { server: Some(format!("http://{}", app.addresses[0])), ..fleet.globals() };
    let body = json!({ "target": fleet.path("backups") });
    let refused = wish_of(&elsewhere, "/v1/backups", body.clone()).await.unwrap_err();
    assert_eq!((refused.status, refused.code.as_str()), (403, "not-owner"));
    assert!(!fleet.path("backups").exists());
    for wrong in [
        json!({}),
        json!({ "target": "relative" }),
        json!({ "target": 7 }),
        json!({ "target": "/a", "keep": 0 }),
        json!({ "to": "/a" }),
    ] {
        assert_eq!(fleet.wish("/v1/backups", wrong).await.unwrap_err().code, "bad-body");
    }
    let unknown = Api::open(&fleet.globals()).await.unwrap().get::<Value>(&Target::new("/v1/backups/7")).await.unwrap_err();
    assert!(Refusal::is_absence(&unknown), "{unknown}");
    let started = fleet.wish("/v1/backups", body).await.unwrap();
    let run = format!("/v1/backups/{}", started["run"]);
    let made = fleet.until_got(&run, |run| run["state"] == "made").await;
    assert_eq!(made["backup"]["sessions_left_out"], json!(["alpha", "bravo", "charlie"]), "they are in the clear");
    // Whoever may run jobs may run this one; where it goes the configuration says.
    let refused = wish_of(&elsewhere, "/v1/jobs/backup/run", json!({ "peers": ["@a"] })).await.unwrap_err();
    assert_eq!(refused.code, "bad-selector");
    let refused = wish_of(&elsewhere, "/v1/jobs/backup/run", json!({})).await.unwrap_err();
    assert_eq!(refused.code, "no-backup-target");
    fleet.stop(app).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_start_makes_no_archive_where_a_restore_was_interrupted_and_removes_what_killed_processes_left() {
    let fleet = sealed(small()).await;
    let data = fleet.data();
    // As a restore leaves it that is killed, or cut off from power, while it copies.
    fs::create_dir_all(data.join(".restore-x/archive")).unwrap();
    let refused = fleet.try_start().await.unwrap_err().to_string();
    assert!(refused.contains(".restore-x") && refused.contains("run `telescribe restore` again"), "{refused}");
    assert!(!data.join("archive").exists() && data.join(".restore-x/archive").exists());

    fs::remove_dir_all(data.join(".restore-x")).unwrap();
    let app = fleet.start_and_finish().await;
    fleet.stop(app).await;
    let left = [".restore-x", ".backup-x", ".archive-x"].map(|name| data.join(name));
    for folder in &left {
        fs::create_dir_all(folder.join("archive")).unwrap();
    }
    // Files that were to replace others; of a session that is a copy of it.
    let session = fleet.config.accounts.sessions.join(".alpha-aB3x9Z");
    let files = [".backup-aB3x9Z", ".archive-aB3x9Z", ".known-aB3x9Z"].map(|name| data.join(name)).into_iter().chain([session]);
    let files: Vec<_> = files.inspect(|file| fs::write(file, "half of i").unwrap()).collect();
    let app = fleet.start_and_finish().await;
    assert!(!left.iter().chain(&files).any(|path| path.exists()), "{:?}", super::names(&data));
    fleet.stop(app).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backup_in_one_folder_mends_nothing_of_another_and_a_folder_inside_of_the_data_folder_stops_a_start() {
    let mut fleet = sealed(small()).await;
    let (works, fails) = (fleet.path("works"), fleet.path("fails"));
    fs::write(&fails, "a file").unwrap();
    fleet.config.jobs.backup =
        BackupJobConfig { target: fails.clone(), cron: "0 0 0 1 1 *".to_owned(), ..BackupJobConfig::default() };
    let app = fleet.start().await;
    fs::write(fleet.config.accounts.sessions.join("delta.session"), "no session").unwrap();
    // One that was missed is made up for at the start.
    while let Err(refusal) = fleet.wish("/v1/jobs/backup/run", json!({})).await {
        assert_eq!(refusal.code, "job-running");
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    fleet.until_got("/v1/status", |status| status["backup"]["state"] == "failed").await;
    let args = backup::Args { target: works.clone(), keep: None, list: false, verify: None };
    let code = backup::write(&args, &fleet.globals(), || Ok(fleet.config.clone()), &mut Out::to(Written::default())).await;
    assert_eq!(code.unwrap(), std::process::ExitCode::from(1), "a session could not be read");
    let status = fleet.get("/v1/status").await;
    assert_eq!(status["backup"]["state"], "failed", "that another folder works mends nothing: {status:#}");
    assert_eq!(status["backup"]["failures"].as_array().unwrap().len(), 1);
    assert!(status["backup"]["newest"]["unread"][0].as_str().unwrap().contains("account `delta`"), "{status:#}");
    fleet.stop(app).await;

    fs::remove_file(fleet.config.accounts.sessions.join("delta.session")).unwrap();
    fleet.config.jobs.backup.target = fleet.data().join("backups");
    let refused = fleet.try_start().await.unwrap_err().to_string();
    assert!(refused.contains("`jobs.backup.target`") && refused.contains("inside of the data folder"), "{refused}");
}
