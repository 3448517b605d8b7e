//! Every file that an answer tells of is found, with what it takes to ask for it.

pub(super) mod all;

use grammers_tl_types::{Deserializable as _, LAYER, enums, types};
use telescribe::model::{FileAccess, FileId, MediaKind, Rendition, RenditionRole, SeenFile};
use telescribe::parse;

use super::schema::{bytes, double, int, list, long, made, string, yes};
use super::{Fields, channel, decoded, message, parsed_as, text_with};

fn size(letter: &str, w: i32, h: i32, bytes: i32) -> Vec<u8> {
    made("photoSize", &[("type", string(letter)), ("w", int(w)), ("h", int(h)), ("size", int(bytes))])
}

fn moving(letter: &str, side: i32, bytes: i32) -> Vec<u8> {
    made("videoSize", &[("type", string(letter)), ("w", int(side)), ("h", int(side)), ("size", int(bytes))])
}

fn stripped(content: &[u8]) -> Vec<u8> {
    made("photoStrippedSize", &[("type", string("i")), ("bytes", bytes(content))])
}

fn outline(content: &[u8]) -> Vec<u8> {
    made("photoPathSize", &[("type", string("j")), ("bytes", bytes(content))])
}

/// A photo with one size.
fn photo(id: i64) -> Vec<u8> {
    made("photo", &[("id", long(id)), ("sizes", list([size("x", 800, 600, 9)]))])
}

fn document(id: i64) -> Vec<u8> {
    made("document", &[("id", long(id)), ("size", long(9))])
}

fn photo_media(id: i64) -> Vec<u8> {
    made("messageMediaPhoto", &[("photo", photo(id))])
}

fn document_media(id: i64) -> Vec<u8> {
    made("messageMediaDocument", &[("document", document(id))])
}

fn rendition(letter: &str, role: RenditionRole, measures: Option<(i32, i32)>, size: Option<i64>) -> Rendition {
    let (width, height) = measures.unzip();
    Rendition { letter: letter.to_owned(), role, width, height, size }
}

/// The files of media.
fn files(media: Vec<u8>) -> Vec<SeenFile> {
    message(&[("media", media)]).files
}

/// Each file's place and id.
fn places(files: &[SeenFile]) -> Vec<String> {
    files.iter().map(|file| format!("{} {}", file.place.name(), file.id)).collect()
}

#[test]
fn the_largest_size_of_a_photo_is_the_original() {
    use RenditionRole::{Animation, Original, Reduced};
    let progressive = [("type", string("y")), ("w", int(1280)), ("h", int(960)), ("sizes", list([int(9), int(100), int(50)]))];
    let cached = [("type", string("s")), ("w", int(90)), ("h", int(60)), ("bytes", bytes(&[7; 40]))];
    let sizes = list([
        stripped(&[1, 20, 30]),
        made("photoSizeEmpty", &[("type", string("z"))]),
        made("photoCachedSize", &cached),
        made("photoSizeProgressive", &progressive),
        size("m", 320, 240, 5),
        size("m", 640, 480, 6),
        size("", 9_000, 9_000, 7),
    ]);
    let emoji = made("videoSizeEmojiMarkup", &[("emoji_id", long(6))]);
    let fields = [
        ("id", long(-8)),
        ("access_hash", long(11)),
        ("file_reference", bytes(b"ref")),
        ("dc_id", int(4)),
        ("sizes", sizes),
        ("video_sizes", list([emoji, moving("u", 800, 70)])),
    ];
    let media = [("photo", made("photo", &fields)), ("ttl_seconds", int(i32::MAX))];
    let [file] = files(made("messageMediaPhoto", &media)).try_into().unwrap();
    assert_eq!((file.id, file.media, file.ttl), (FileId::photo(-8), MediaKind::Photo, Some(i32::MAX)));
    assert_eq!(file.access, FileAccess { dc: 4, hash: 11, reference: b"ref".to_vec() });
    assert_eq!(file.preview, Some(vec![1, 20, 30]));
    assert_eq!(
        file.renditions,
        [
            rendition("s", Reduced, Some((90, 60)), Some(40)),
            rendition("y", Original, Some((1280, 960)), Some(100)),
            rendition("m", Reduced, Some((320, 240)), Some(5)),
            rendition("u", Animation, Some((800, 800)), Some(70)),
        ]
    );
    assert_eq!((file.name, file.mime, file.duration, file.sticker_set), (None, None, None, None));
}

#[test]
fn a_letter_that_comes_twice_is_the_original_s() {
    let sizes = list([size("x", 1, 1, 1), size("x", 800, 600, 2), size("x", 2, 2, 3)]);
    let [file] = files(made("messageMediaPhoto", &[("photo", made("photo", &[("sizes", sizes)]))])).try_into().unwrap();
    assert_eq!(file.renditions, [rendition("x", RenditionRole::Original, Some((800, 600)), Some(2))]);
}

#[test]
fn a_document_is_a_file_with_what_stands_for_it() {
    use RenditionRole::{Animation, Original, Thumbnail};
    let set = made("inputStickerSetID", &[("id", long(77))]);
    let attributes = list([
        made("documentAttributeImageSize", &[("w", int(512)), ("h", int(511))]),
        made("documentAttributeSticker", &[("alt", string("👍")), ("stickerset", set)]),
        made("documentAttributeFilename", &[("file_name", string("../a.webm"))]),
    ]);
    let fields = [
        ("id", long(9)),
        ("access_hash", long(12)),
        ("file_reference", bytes(b"ref")),
        ("dc_id", int(2)),
        ("mime_type", string("video/webm")),
        ("size", long(1 << 40)),
        ("thumbs", list([outline(&[5, 6]), size("m", 128, 127, 30), size("", 1, 1, 1)])),
        ("video_thumbs", list([moving("v", 256, 60), moving("m", 1, 1)])),
        ("attributes", attributes),
    ];
    let [file] = files(made("messageMediaDocument", &[("document", made("document", &fields))])).try_into().unwrap();
    assert_eq!((file.id, file.media), (FileId::document(9), MediaKind::Sticker));
    assert_eq!((file.name.as_deref(), file.mime.as_deref()), (Some("../a.webm"), Some("video/webm")));
    assert_eq!((file.duration, file.sticker_set, file.ttl), (None, Some(77), None));
    assert_eq!(file.preview, Some(vec![5, 6]), "an outline, where there is no stripped picture");
    assert_eq!(file.access, FileAccess { dc: 2, hash: 12, reference: b"ref".to_vec() });
    assert_eq!(
        file.renditions,
        [
            rendition("", Original, Some((512, 511)), Some(1 << 40)),
            rendition("m", Thumbnail, Some((128, 127)), Some(30)),
            rendition("v", Animation, Some((256, 256)), Some(60)),
        ]
    );
}

#[test]
fn a_document_s_kind_and_length_are_those_of_the_message() {
    let video = made("documentAttributeVideo", &[("duration", double(12.5)), ("w", int(640)), ("h", int(360))]);
    let document = made("document", &[("attributes", list([video])), ("thumbs", list([outline(&[5]), stripped(&[1, 2])]))]);
    for (flags, kind) in [(vec![], MediaKind::Video), (vec![("round", yes())], MediaKind::Round)] {
        let mut fields = vec![("document", document.clone()), ("ttl_seconds", int(30))];
        fields.extend(flags);
        let parsed = message(&[("media", made("messageMediaDocument", &fields))]);
        let [file] = parsed.files.try_into().unwrap();
        assert_eq!((file.media, Some(file.media)), (kind, parsed.message.media.map(|media| media.kind)));
        assert_eq!((file.duration, file.ttl), (Some(12.5), Some(30)));
        assert_eq!((file.name, file.mime, file.preview), (None, None, Some(vec![1, 2])), "a stripped picture before an outline");
    }
    let negative = made("document", &[("size", long(-1))]);
    let [file] = files(made("messageMediaDocument", &[("document", negative)])).try_into().unwrap();
    assert_eq!(file.original(), Some(&rendition("", RenditionRole::Original, None, None)));
}

fn webpage(fields: Fields<'_>) -> Vec<u8> {
    made("messageMediaWebPage", &[("webpage", made("webPage", fields))])
}

fn story(fields: Fields<'_>) -> Vec<u8> {
    made("messageMediaStory", &[("peer", channel(6)), ("story", made("storyItem", fields))])
}

fn bought(media: Vec<u8>) -> Vec<u8> {
    made("messageExtendedMedia", &[("media", media)])
}

#[test]
fn files_are_found_wherever_media_has_them() {
    let video = [
        ("document", document(1)),
        ("alt_documents", list([document(2), document(3), made("documentEmpty", &[("id", long(4))])])),
        ("video_cover", photo(5)),
    ];
    let game = [("photo", photo(1)), ("document", document(2))];
    let unpaid = made("messageExtendedMediaPreview", &[("thumb", stripped(&[1, 2]))]);
    let answer = made("pollAnswer", &[("text", text_with("one")), ("media", photo_media(2))]);
    let poll = [
        ("poll", made("poll", &[("answers", list([answer, made("pollAnswer", &[])]))])),
        ("results", made("pollResults", &[("solution_media", photo_media(3))])),
        ("attached_media", document_media(1)),
    ];
    let instant = made("page", &[("photos", list([photo(3)])), ("documents", list([document(4)]))]);
    let wallpaper = made("wallPaper", &[("document", document(4))]);
    let settings = made("themeSettings", &[("wallpaper", wallpaper)]);
    let theme = made("webPageAttributeTheme", &[("documents", list([document(3)])), ("settings", settings)]);
    let linked = made("storyItem", &[("media", photo_media(5)), ("music", document(6))]);
    let gift = made("starGift", &[("sticker", document(8))]);
    let model = made("starGiftAttributeModel", &[("document", document(9))]);
    let pattern = made("starGiftAttributePattern", &[("document", document(10))]);
    let backdrop = made("starGiftAttributeBackdrop", &[]);
    let unique = made("starGiftUnique", &[("attributes", list([model, pattern, backdrop]))]);
    let attributes = list([
        theme,
        made("webPageAttributeStory", &[("story", linked)]),
        made("webPageAttributeStickerSet", &[("stickers", list([document(7)]))]),
        made("webPageAttributeStarGiftAuction", &[("gift", gift)]),
        made("webPageAttributeUniqueStarGift", &[("gift", unique)]),
        made("webPageAttributeStarGiftCollection", &[("icons", list([document(11)]))]),
        made("webPageAttributeAiComposeTone", &[("emoji_id", long(12))]),
    ]);
    for (media, expected) in [
        (photo_media(1), vec!["media photo:1"]),
        (
            made("messageMediaPhoto", &[("photo", photo(1)), ("live_photo", yes()), ("video", document(2))]),
            vec!["media photo:1", "live_part document:2"],
        ),
        (
            made("messageMediaDocument", &video),
            vec!["media document:1", "cover photo:5", "alternative document:2", "alternative document:3"],
        ),
        (
            webpage(&[("photo", photo(1)), ("document", document(2)), ("cached_page", instant)]),
            vec!["preview photo:1", "preview document:2", "page photo:3", "page document:4"],
        ),
        (
            webpage(&[("attributes", attributes)]),
            vec![
                "preview document:3",
                "preview document:4",
                "preview photo:5",
                "preview document:6",
                "preview document:7",
                "preview document:8",
                "preview document:9",
                "preview document:10",
                "preview document:11",
            ],
        ),
        (story(&[("media", made("messageMediaDocument", &video)), ("music", document(6))]), {
            vec!["item document:1", "cover photo:5", "alternative document:2", "alternative document:3", "item document:6"]
        }),
        (
            made(
                "messageMediaPaidMedia",
                &[("extended_media", list([unpaid, bought(photo_media(1)), bought(document_media(2))]))],
            ),
            vec!["item photo:1", "item document:2"],
        ),
        (made("messageMediaInvoice", &[("extended_media", bought(photo_media(1)))]), vec!["item photo:1"]),
        (made("messageMediaGame", &[("game", made("game", &game))]), vec!["item photo:1", "item document:2"]),
        (made("messageMediaPoll", &poll), vec!["item document:1", "item photo:2", "item photo:3"]),
    ] {
        assert_eq!(places(&files(media)), expected);
    }
}

#[test]
fn files_beside_the_media_are_found_too() {
    let page = made("richMessage", &[("photos", list([photo(1)])), ("documents", list([document(2)]))]);
    assert_eq!(places(&message(&[("rich_message", page.clone())]).files), ["page photo:1", "page document:2"]);
    let beside = message(&[("message", string("text")), ("rich_message", page)]);
    assert_eq!(places(&beside.files), ["page photo:1", "page document:2"]);

    let reply = || made("messageReplyHeader", &[("reply_to_peer_id", channel(6)), ("reply_media", photo_media(3))]);
    assert_eq!(places(&message(&[("media", photo_media(1)), ("reply_to", reply())]).files), ["media photo:1", "item photo:3"]);
    let service = parsed_as("messageService", &[("action", made("messageActionPinMessage", &[])), ("reply_to", reply())]);
    assert_eq!(places(&service.files), ["item photo:3"]);

    let forward = made("messageFwdHeader", &[("from_id", channel(6))]);
    assert_eq!(places(&message(&[("media", document_media(1)), ("fwd_from", forward)]).files), ["media document:1"]);
}

#[test]
fn service_messages_tell_of_files() {
    let wallpaper = || made("wallPaper", &[("document", document(4))]);
    let model = made("starGiftAttributeModel", &[("document", document(9))]);
    let unique = || made("starGiftUnique", &[("attributes", list([model.clone()]))]);
    let gift = || made("starGift", &[("sticker", document(8))]);
    let settings = made("themeSettings", &[("wallpaper", wallpaper())]);
    let theme = made("chatThemeUniqueGift", &[("gift", unique()), ("theme_settings", list([settings]))]);
    let app = made("botApp", &[("photo", photo(1)), ("document", document(2))]);
    let peers = [("requestedPeerUser", 1), ("requestedPeerChat", 2), ("requestedPeerChannel", 3)];
    let peers = list(peers.map(|(name, id)| made(name, &[("photo", photo(id))])));
    let answer = || made("pollAnswer", &[("text", text_with("one")), ("media", photo_media(1))]);
    for (action, field, value, expected) in [
        ("messageActionChatEditPhoto", "photo", photo(1), vec!["photo:1"]),
        ("messageActionSuggestProfilePhoto", "photo", photo(1), vec!["photo:1"]),
        ("messageActionSetChatWallPaper", "wallpaper", wallpaper(), vec!["document:4"]),
        ("messageActionSetChatWallPaper", "wallpaper", made("wallPaperNoFile", &[]), vec![]),
        ("messageActionSetChatTheme", "theme", theme, vec!["document:9", "document:4"]),
        ("messageActionSetChatTheme", "theme", made("chatTheme", &[]), vec![]),
        ("messageActionBotAllowed", "app", app, vec!["photo:1", "document:2"]),
        ("messageActionRequestedPeerSentMe", "peers", peers, vec!["photo:1", "photo:2", "photo:3"]),
        ("messageActionStarGift", "gift", gift(), vec!["document:8"]),
        ("messageActionStarGiftUnique", "gift", unique(), vec!["document:9"]),
        ("messageActionStarGiftPurchaseOffer", "gift", unique(), vec!["document:9"]),
        ("messageActionStarGiftPurchaseOfferDeclined", "gift", gift(), vec!["document:8"]),
        ("messageActionPollAppendAnswer", "answer", answer(), vec!["photo:1"]),
        ("messageActionPollDeleteAnswer", "answer", answer(), vec!["photo:1"]),
    ] {
        let found = parsed_as("messageService", &[("action", made(action, &[(field, value)]))]).files;
        let expected: Vec<String> = expected.into_iter().map(|id| format!("service {id}")).collect();
        assert_eq!(places(&found), expected, "{action}");
    }
}

#[test]
fn a_file_is_listed_once_in_each_place() {
    let instant = made("page", &[("photos", list([photo(1), photo(1), photo(2)])), ("documents", list([document(1)]))]);
    let media = webpage(&[("photo", photo(1)), ("cached_page", instant)]);
    assert_eq!(places(&files(media)), ["preview photo:1", "page photo:1", "page photo:2", "page document:1"]);
}

#[test]
fn what_has_no_bytes_to_ask_for_is_no_file() {
    let only_stripped = made("photo", &[("id", long(1)), ("sizes", list([stripped(&[1, 2])]))]);
    let web = made("webDocument", &[("url", string("https://example.org/a.jpg")), ("size", int(5))]);
    let emoji = made("messageEntityCustomEmoji", &[("length", int(2)), ("document_id", long(5))]);
    let unpaid = made("messageExtendedMediaPreview", &[("thumb", stripped(&[1, 2]))]);
    for media in [
        made("messageMediaPhoto", &[("ttl_seconds", int(10))]),
        made("messageMediaPhoto", &[("photo", made("photoEmpty", &[("id", long(1))]))]),
        made("messageMediaPhoto", &[("photo", only_stripped)]),
        made("messageMediaDocument", &[("voice", yes()), ("ttl_seconds", int(10))]),
        made("messageMediaDocument", &[("document", made("documentEmpty", &[("id", long(1))]))]),
        made("messageMediaInvoice", &[("photo", web), ("extended_media", unpaid)]),
        made("messageMediaStory", &[("peer", channel(6))]),
        made("messageMediaWebPage", &[("webpage", made("webPagePending", &[]))]),
    ] {
        assert_eq!(files(media), []);
    }
    assert_eq!(message(&[("message", string("👍")), ("entities", list([emoji]))]).files, []);
    assert_eq!(parse::files(&decoded(&made("messageEmpty", &[("id", int(42))]))), []);
}

#[test]
fn media_that_nests_deeper_than_telegram_shows_it_is_passed_over() {
    let mut media = enums::MessageMedia::from_bytes(&photo_media(1)).unwrap();
    for _ in 0..1_000 {
        let enums::MessageMedia::Invoice(mut invoice) =
            enums::MessageMedia::from_bytes(&made("messageMediaInvoice", &[])).unwrap()
        else {
            panic!("an invoice")
        };
        invoice.extended_media = Some(types::MessageExtendedMedia { media }.into());
        media = (*invoice).into();
    }
    let enums::Message::Message(mut tl) = decoded(&made("message", &[("peer_id", channel(5))])) else { panic!("a message") };
    tl.media = Some(media);
    tl.reply_to = enums::MessageReplyHeader::from_bytes(&made("messageReplyHeader", &[("reply_media", photo_media(2))])).ok();
    assert_eq!(places(&parse::files(&tl.into())), ["item photo:2"]);
}

#[test]
fn archived_bytes_tell_of_the_same_files() {
    let parsed = message(&[("media", photo_media(1))]);
    assert_eq!(parse::files_of_raw(LAYER, &parsed.raw), Ok(parsed.files.clone()));
    assert_eq!(parse::files_of_raw(LAYER - 20, &parsed.raw), Ok(parsed.files), "where no constructor of it changed since");
    let error = parse::files_of_raw(181, b"\x01\x02\x03\x04").unwrap_err();
    assert_eq!(error.layer, 181);
    assert!(error.to_string().starts_with("the message's raw bytes, of layer 181, cannot be read"), "{error}");
    assert!(parse::files_of_raw(LAYER, &parsed.raw[..40]).is_err());
    assert!(parse::files_of_raw(LAYER, &[]).is_err());
}

#[test]
fn a_profile_photo_is_asked_for_by_peer() {
    let fields = [("photo_id", long(8)), ("dc_id", int(4)), ("stripped_thumb", bytes(&[1, 2])), ("has_video", yes())];
    let of_chat = || ("photo", made("chatPhoto", &fields));
    let of_user = |more: Fields<'_>| ("photo", made("userProfilePhoto", &[&fields[..], more].concat()));
    let chat = |name: &str, fields: Fields<'_>| parse::chat_avatar(&enums::Chat::from_bytes(&made(name, fields)).unwrap());
    let user = |fields: Fields<'_>| parse::user_avatar(&enums::User::from_bytes(&made("user", fields)).unwrap());

    let avatar = chat("channel", &[of_chat()]).unwrap();
    assert_eq!(places(std::slice::from_ref(&avatar)), ["avatar photo:8"]);
    assert_eq!((avatar.media, &avatar.preview), (MediaKind::Photo, &Some(vec![1, 2])));
    assert_eq!(avatar.access, FileAccess { dc: 4, hash: 0, reference: Vec::new() });
    assert_eq!(
        avatar.renditions,
        [
            rendition("a", RenditionRole::Reduced, Some((160, 160)), None),
            rendition("c", RenditionRole::Original, Some((640, 640)), None),
        ]
    );
    assert_eq!(chat("chat", &[of_chat()]), Some(avatar.clone()));
    assert_eq!(user(&[of_user(&[])]), Some(avatar.clone()));
    assert_eq!(user(&[of_user(&[]), ("min", yes()), ("apply_min_photo", yes())]), Some(avatar));

    assert_eq!(user(&[of_user(&[]), ("min", yes())]), None, "perhaps outdated");
    assert_eq!(user(&[of_user(&[("personal", yes())])]), None, "an account gave it to its contact");
    assert_eq!(user(&[]), None);
    assert_eq!(parse::user_avatar(&enums::User::from_bytes(&made("userEmpty", &[])).unwrap()), None);
    assert_eq!(chat("community", &[of_chat()]), None, "it has no messages");
    for none in ["chat", "channel", "chatForbidden", "channelForbidden", "chatEmpty"] {
        assert_eq!(chat(none, &[]), None);
    }
}

#[test]
fn a_full_profile_photo_has_every_size_and_how_it_moves() {
    let sizes = list([size("a", 160, 160, 1), size("b", 320, 320, 2), size("c", 640, 640, 3)]);
    let fields = [("id", long(8)), ("access_hash", long(11)), ("sizes", sizes), ("video_sizes", list([moving("u", 800, 70)]))];
    let full = |tl: Vec<u8>| parse::full_photo(&enums::Photo::from_bytes(&tl).unwrap());
    let file = full(made("photo", &fields)).unwrap();
    assert_eq!(places(std::slice::from_ref(&file)), ["avatar photo:8"]);
    let letters: Vec<_> = file.renditions.iter().map(|rendition| (rendition.letter.as_str(), rendition.role)).collect();
    use RenditionRole::{Animation, Original, Reduced};
    assert_eq!(letters, [("a", Reduced), ("b", Reduced), ("c", Original), ("u", Animation)]);
    assert_eq!(file.access.hash, 11);
    assert_eq!(full(made("photoEmpty", &[])), None);
}

#[test]
fn neither_hash_nor_reference_of_a_file_is_shown_for_debugging() {
    let fields =
        [("access_hash", long(987_654_321)), ("file_reference", bytes(b"reference")), ("sizes", list([size("x", 1, 1, 1)]))];
    let shown = format!("{:?}", files(made("messageMediaPhoto", &[("photo", made("photo", &fields))])));
    assert!(shown.contains("dc: 0") && !shown.contains("987654321"), "{shown}");
    assert!(!shown.contains(&format!("{:?}", b"reference".to_vec())), "{shown}");
}
