use dormouse_testkit::corpus::Corpus;
#[test]
fn write_it() {
    let path = std::env::var("OUT_MBOX").unwrap();
    let n = std::env::var("OUT_N").unwrap().parse().unwrap();
    let pace = std::env::var("OUT_PACE").unwrap().parse().unwrap();
    let mut out = std::io::BufWriter::new(std::fs::File::create(path).unwrap());
    Corpus::new(1, pace).write_mbox(n, &mut out).unwrap();
}
