use super::*;

#[test]
fn every_default_can_be_read_back_from_what_is_shown() {
    for entry in Config::default().entries() {
        let mut config = Config::default();
        assert_eq!(config.put(&entry.key, &entry.value), Ok(()), "{}", entry.key);
        assert!(!entry.doc.is_empty(), "{}", entry.key);
    }
}

#[test]
fn a_new_file_shows_every_setting_and_a_change_takes_the_place_of_its_comment() {
    let home = tempfile::tempdir().unwrap();
    let path = home.path().join("dormouse.toml");
    fs::write(&path, Config::new_file("l.example")).unwrap();
    let config = Config::load(&path).unwrap();
    assert_eq!(config.host, "l.example");
    for entry in Config::default().entries() {
        if entry.key != "host" {
            Config::set(&path, &entry.key, &entry.value).unwrap();
        }
    }
    Config::set(&path, "list-defaults.archive_private", "no").unwrap();
    let text = fs::read_to_string(&path).unwrap();
    let left: Vec<_> =
        text.lines().filter(|line| line.starts_with('#') && !line.starts_with("# ")).collect();
    assert_eq!(left, Vec::<&str>::new());
    let headers = text.lines().filter(|line| line.starts_with("[delivery]")).count();
    assert_eq!(headers, 1);
    assert_eq!(Config::load(&path).unwrap().entries().len(), KEYS.len() + 1);
}

#[test]
fn defaults_of_new_lists_are_checked_like_a_lists_settings() {
    let parse = |line: &str| Config::parse(&format!("[list-defaults]\n{line}\n"));
    let config = parse(
        "max_message_size = 200\narchive_private = true\n\
         bounce_info_stale_after = \"14d\"\nban_list = [\"a@x.example\", \"^b\"]",
    )
    .unwrap();
    let settings = config.new_list_settings();
    assert_eq!(settings.max_message_size, 200);
    assert!(settings.archive_private);
    assert_eq!(settings.bounce_info_stale_after.seconds(), 14 * 86_400);
    assert_eq!(settings.ban_list, ["a@x.example", "^b"]);
    let shown = config.entry("list-defaults.max_message_size").unwrap();
    assert_eq!((shown.value.as_str(), shown.default), ("200", "40"));
    for (line, words) in [
        ("max_mesage_size = 3", "did you mean max_message_size"),
        ("max_message_size = -3", "below 0"),
        ("owner = 'a@x.example'", "each list has its own"),
        ("host_name = 'x.example'", "each list has its own"),
        ("preferred_language = 'xx'", "not a language"),
        ("msg_footer = '%(nobody)s'", "nobody"),
    ] {
        let refused = parse(line).unwrap_err();
        assert!(refused.contains("list-defaults.") && refused.contains(words), "{refused}");
    }
    let misplaced = Config::default().put("archive_private", "yes").unwrap_err();
    assert!(misplaced.contains("config set list-defaults.archive_private"), "{misplaced}");
}

#[test]
fn a_change_keeps_comments_and_everything_else() {
    let home = tempfile::tempdir().unwrap();
    let path = home.path().join("dormouse.toml");
    fs::write(
        &path,
        "# ours\nhost = \"a.example\" # the host\n\n[delivery]\n# four\nconnections = 4\n",
    )
    .unwrap();
    Config::set(&path, "delivery.connections", "2").unwrap();
    Config::set(&path, "host", "b.example").unwrap();
    let config = Config::set(&path, "intake.max_size", "2 KiB").unwrap();
    assert_eq!(config.intake_max_size.bytes(), 2048);
    let text = fs::read_to_string(&path).unwrap();
    for kept in ["# ours", "# the host", "# four", "connections = 2", "b.example", "[intake]"] {
        assert!(text.contains(kept), "{kept} in\n{text}");
    }
    assert_eq!(Config::load(&path).unwrap().delivery_connections, 2);
}

#[test]
fn a_wrong_name_or_value_is_refused_with_what_would_be_right() {
    let mut config = Config::default();
    assert!(config.put("delivery.conections", "2").unwrap_err().contains("delivery.connections"));
    assert!(config.put("delivery.tls", "maybe").unwrap_err().contains("required"));
    assert!(config.put("delivery.connections", "0").is_err());
    for (key, wrong) in [
        ("host", "bad host"),
        ("host", ""),
        ("delivery.url", "gopher://x"),
        ("delivery.url", "smtp://127.0.0.1:99999"),
        ("web.listen", "foo"),
        ("lmtp.listen", "localhost"),
        ("web_url", "lists.example.org/mailman"),
        ("web.proxies", "nginx"),
        ("web.colour", "#12345;}"),
        ("web.colour", "green"),
        ("web.logo", "logo.html"),
        ("dmarc.servers", "dns.example"),
        ("members.ban_list", "^("),
        ("known_spammers", "nothing"),
        ("delivery.limits", "gmail.com: rate=fast"),
        ("dmarc.enforcing_receivers", "gmail.com, @yahoo.com"),
        ("lmtp.connections", "0"),
    ] {
        let problem = config.put(key, wrong).unwrap_err();
        assert!(problem.starts_with(&format!("{key}: ")), "{problem}");
    }
    assert_eq!(config.host, "localhost", "what is wrong changes nothing");
    for (key, right) in [
        ("host", "localhost"),
        ("delivery.url", "lmtp:/run/dovecot/lmtp"),
        ("delivery.url", "smtp://[::1]:25"),
        ("web.listen", "[::1]:8124"),
        ("lmtp.listen", "/run/dormouse/lmtp.sock"),
        ("web_url", "http://lists.example.org/mailman/"),
        ("web.colour", "#1a6F45"),
        ("web.logo", "logo.SVG"),
        ("dmarc.servers", "127.0.0.1:5353,::1"),
        ("known_spammers", "From: .*@spam\\.example"),
    ] {
        assert_eq!(config.put(key, right), Ok(()), "{key}");
    }
}

#[test]
fn limits_are_a_table_or_lines() {
    let as_table = "[delivery]\nconnections = 2\n[delivery.limits]\n\"gmail.com googlemail.com\" \
         = \"connections=2 rate=600/min\"\n\"*.example.net\" = { recipients = 5 }\n\
         [delivery.limits.\"x.example\"]\nrate = \"1/h\"\neach = true\n";
    let as_lines = "[delivery]\nconnections = 2\nlimits = \"\"\"\n\
         gmail.com googlemail.com: connections=2 rate=600/min\n*.example.net: recipients=5\n\
         x.example: each rate=1/h\"\"\"\n";
    let (of_table, of_lines) = (Config::parse(as_table).unwrap(), Config::parse(as_lines).unwrap());
    assert_eq!(of_table.delivery_limits, of_lines.delivery_limits);
    assert!(of_table.delivery_limits.of("a.example.net").is_some());
    let inline = "[delivery]\nlimits = { \"y.example\" = \"rate=1/h\" }\n";
    assert!(Config::parse(inline).unwrap().delivery_limits.of("y.example").is_some());
    let misspelt = "[delivery.limits]\n\"y.example\" = { conections = 1 }\n";
    assert!(Config::parse(misspelt).unwrap_err().contains("did you mean connections"));
    // A change takes the place of the table.
    let home = tempfile::tempdir().unwrap();
    let path = home.path().join("dormouse.toml");
    fs::write(&path, format!("{}{}", Config::new_file("l.example"), &as_table[26..])).unwrap();
    let config = Config::set(&path, "delivery.limits", "z.example: connections=1").unwrap();
    assert_eq!(Config::load(&path).unwrap().delivery_limits, config.delivery_limits);
    assert!(config.delivery_limits.of("gmail.com").is_none());
}

#[test]
fn of_several_items_the_usable_ones_are_kept_and_the_others_named() {
    let (kept, wrong) = Config::usable("members.ban_list", "a@x.example\n^(\nb@x.example\n");
    assert_eq!(kept.as_deref(), Some("a@x.example\nb@x.example\n"));
    assert!(wrong.len() == 1 && wrong[0].contains("^("), "{wrong:?}");
    let (kept, wrong) = Config::usable("lmtp.listen", "foo");
    assert_eq!((kept, wrong.len()), (None, 1));
    assert!(Config::parse("host = 'a'\nport = 3\n").is_err());
}
