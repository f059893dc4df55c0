use super::*;

fn shown(html: &str) -> String {
    lay_out(html, Links::Listed)
}

#[test]
fn a_table_that_ends_inside_of_something_hidden_ends() {
    for hidden in ["script", "style", "title", "iframe", "noembed", "noframes"] {
        for html in [
            format!("<table><tr><td>seen<{hidden}>"),
            format!("<table><tr><td>seen<{hidden}>not"),
            format!("<table><td><table><td>seen<{hidden}>not</{hidden}"),
            format!("<p>seen<table><{hidden}></table>"),
        ] {
            let text = lay_out(&html, Links::Listed);
            assert!(text.contains("seen") && !text.contains("not"), "{html}: {text:?}");
        }
    }
}

#[test]
fn every_link_keeps_its_address() {
    assert_eq!(
        shown(
            "<p>Register <a href=\"https://x.example/r?id=7&amp;x=1\">here</a>, mail <a href='mailto:a@x.example'>us</a>.</p>"
        ),
        "Register [1]here, mail [2]us.\n\nReferences\n\n   1. https://x.example/r?id=7&x=1\n   2. mailto:a@x.example\n"
    );
    assert_eq!(
        shown(
            "<a href=https://x.example/>one</a> <a href=https://x.example/>two</a> <a href='https://y.example'><img src=i alt=Logo></a><a href=z.html><img src=i></a>"
        ),
        "[1]one [1]two [2]Logo[3]\n\nReferences\n\n   1. https://x.example/\n   2. https://y.example\n   3. z.html\n"
    );
    let area = shown(
        "<map><area href=https://x.example/a alt=North><area href=https://x.example/b></map>",
    );
    assert!(
        area.starts_with("[1]North [2]\n") && area.contains("2. https://x.example/b\n"),
        "{area}"
    );
    for (html, text) in [
        ("<a href=https://x.example/>https://x.example/</a>", "https://x.example/\n"),
        ("<a href=mailto:a@x.example>a@x.example</a>", "a@x.example\n"),
        ("<a href=#top>up</a><a href=javascript:x()>go</a><a name=b>b</a>", "upgob\n"),
    ] {
        assert_eq!(shown(html), text);
    }
    let split = shown("<a href='https://x.example/a\n b'><p>one</p><p>two</p></a>");
    assert!(
        split.contains("[1]one\n\ntwo\n") && split.contains("1. https://x.example/a+b\n"),
        "{split}"
    );
    assert_eq!(lay_out("<a href=https://x.example/>help</a>", Links::Omitted), "help\n");
}

#[test]
fn tables_are_aligned_without_lines() {
    let table = "<table><tr><th>Name</th><th>Price</th></tr><tr><td><p>Apple</p></td><td>1</td></tr><tr><td>Pear&nbsp;tree</td><td>22</td></tr></table>";
    assert_eq!(shown(table), "Name       Price\nApple      1\nPear tree  22\n");
    let open = shown("<table><tr><td>a<td>b<tr><td>c<td>d");
    assert_eq!(open, "a  b\nc  d\n");
    let wide = format!(
        "<table><tr><td>{0}</td><td>{0}</td></tr><tr><td>a</td><td>b</td></tr></table>",
        "word ".repeat(12).trim()
    );
    assert_eq!(shown(&wide).lines().last(), Some("a  b"));
    let page = "<table><tr><td><table><tr><td>one<td>two</table></td><td><p>three</p><p>four</p></td></tr></table>";
    assert_eq!(shown(page), "one  two\n\nthree\n\nfour\n");
    assert_eq!(shown("<table><tr><td>a<br>b<td>c</table>"), "a\nb\nc\n");
}

#[test]
fn lists_quotes_and_code_look_like_such() {
    assert_eq!(
        shown("<ul><li>one<li>two<ol><li>deep<li>er</ol></ul>end"),
        "* one\n* two\n  1. deep\n  2. er\n\nend\n"
    );
    assert_eq!(shown("a<blockquote><p>b</p><p>c</p></blockquote>d"), "a\n\n> b\n\n> c\n\nd\n");
    assert_eq!(shown("<pre>\n  x  = 1\n\n  y\n</pre>z"), "  x  = 1\n\n  y\n\nz\n");
    assert_eq!(
        shown("a <b>b</b>c<br>d&nbsp;&mdash;e<!-- no --><style>p{}</style><script>x<y</script>"),
        "a bc\nd \u{2014}e\n"
    );
    let long = shown(&"word ".repeat(40));
    assert!(long.lines().all(|line| line.len() <= WIDTH) && long.lines().count() == 3, "{long}");
}
