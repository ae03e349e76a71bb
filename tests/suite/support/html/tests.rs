//! Pages and forms are read as a browser reads them.

use super::*;

fn form(inside: &str) -> Form {
    Page::parse(&format!("<form method=POST action=/go>{inside}</form>")).form("form")
}

fn sent(inside: &str) -> String {
    form(inside).urlencoded()
}

#[test]
fn text_is_what_is_shown() {
    let page = Page::parse(
        "<title>A  b</title><style>x</style><h1>One</h1><p>two <b>th</b>ree&nbsp;&amp;</p><p hidden>no</p>\
         <template>no</template><dialog>no</dialog><ul><li>a<li>b</ul><script>no</script>",
    );
    assert_eq!(page.text(), "One two three & a b");
    assert_eq!(page.title(), "A b");
    assert_eq!(page.texts_of("li"), ["a", "b"]);
    assert_eq!(
        (page.text_of("p:not([hidden])").as_str(), page.count("p"), page.has("dialog")),
        ("two three &", 2, true)
    );
    assert!(page.has_text("One\n two") && !page.has_text("no"));
}

#[test]
#[should_panic(expected = "2 elements li")]
fn one_means_one() {
    Page::parse("<li>a<li>b").text_of("li");
}

#[test]
fn links_are_named_by_their_text() {
    let page =
        Page::parse("<a href='/a?x=1&amp;y=2'>Open <i>it</i></a><a>none</a><a href=/h hidden>no</a><a href=/b>B</a>");
    let links: Vec<_> = page.links().into_iter().map(|l| (l.text, l.href)).collect();
    assert_eq!(links, [("Open it".into(), "/a?x=1&y=2".into()), ("B".into(), "/b".to_owned())]);
    assert_eq!(page.link("Open it"), "/a?x=1&y=2");
    assert_eq!(page.attr("a[hidden]", "href").as_deref(), Some("/h"));
    assert_eq!(page.attr("a[hidden]", "title"), None);
}

#[test]
fn labels_are_found_as_a_browser_finds_them() {
    let page = Page::parse(
        "<label for=a>Email <span>*</span></label><input id=a><label><input type=checkbox id=b> Stay  in</label>\
         <b id=c1>Born</b> <b id=c2>day</b><input id=c aria-labelledby='c1 c2'>",
    );
    assert_eq!(
        (page.label_of("#a"), page.label_of("#b"), page.label_of("#c")),
        ("Email".into(), "Stay in".into(), "Born day".into())
    );
}

#[test]
#[should_panic(expected = "no visible label")]
fn a_placeholder_is_no_label() {
    Page::parse("<input placeholder=Email>").label_of("input");
}

#[test]
fn a_form_sends_what_a_browser_sends() {
    assert_eq!(sent("<input name=a value='1 &amp;'><input value=no><input name=h type=hidden value=2>"), "a=1+%26&h=2");
    assert_eq!(sent("<textarea name=t>\na\nb</textarea>"), "t=a%0D%0Ab");
    assert_eq!(
        sent(
            "<input type=checkbox name=a checked><input type=checkbox name=b value=2><input type=radio name=c value=3 checked>"
        ),
        "a=on&c=3"
    );
    assert_eq!(sent("<select name=s><option disabled>x<option> y  z</select>"), "s=y+z");
    assert_eq!(sent("<select name=s><option value=1 selected>x<option value=2 selected>y</select>"), "s=2");
    assert_eq!(
        sent("<select name=s multiple><option value=1 selected>x<option value=2>y<option value=3 selected>z</select>"),
        "s=1&s=3"
    );
    assert_eq!(sent("<select name=s multiple><option value=1>x</select><input type=file name=f>"), "");
    assert_eq!(
        sent(
            "<input name=a disabled value=1><fieldset disabled><legend><input name=l></legend><input name=b></fieldset>"
        ),
        "l="
    );
    assert_eq!(
        sent(
            "<datalist><option value=1></datalist><input type=submit name=i><input type=reset name=r><button type=button name=b></button>"
        ),
        "i="
    );
    let page = Page::parse("<form id=f><input name=in></form><form><input name=a form=f><input name=b></form>");
    assert_eq!(page.form("#f").urlencoded(), "in=&a=");
}

#[test]
fn a_person_fills_it() {
    let mut form = form(
        "<input name=a value=old><input type=checkbox name=b value=1><input type=checkbox name=b value=2 checked>\
         <input type=radio name=r value=x checked><input type=radio name=r value=y><textarea name=t></textarea>\
         <select name=s><option>m<option>n</select><select name=u multiple><option>m<option>n</select>\
         <input type=hidden name=key value=k><button name=do value=send>Send  it</button><button name=do value=keep formaction=/keep formmethod=get>Keep</button>",
    );
    form.set("a", "new").set("b", "1").clear("b").set("b", "1").set("r", "y").set("t", "x\ny");
    form.set("s", "n").set("u", "m").set("u", "n");
    assert_eq!(form.urlencoded(), "a=new&b=1&r=y&t=x%0D%0Ay&s=n&u=m&u=n&key=k&do=send");
    assert_eq!(
        (form.method.as_str(), form.action.as_str(), form.enctype.as_str()),
        ("post", "/go", "application/x-www-form-urlencoded")
    );
    form.press("Keep").forge("key", "other").forge("extra", "1").clear("u");
    assert_eq!((form.method.as_str(), form.action.as_str()), ("get", "/keep"));
    assert_eq!(form.urlencoded(), "a=new&b=1&r=y&t=x%0D%0Ay&s=n&key=other&extra=1&do=keep");
    assert_eq!((form.value("a").as_deref(), form.value("u")), (Some("new"), None));
    assert_eq!(form.buttons(), ["Send it", "Keep"]);
}

#[test]
fn what_a_person_can_not_do_panics() {
    for (name, value) in
        [("nowhere", "1"), ("hidden", "1"), ("off", "1"), ("read", "1"), ("choice", "other"), ("choice", "gone")]
    {
        let mut form = form(
            "<input type=hidden name=hidden><input name=off disabled><input name=read readonly>\
             <select name=choice><option>one<option disabled>gone</select>",
        );
        let set = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            form.set(name, value);
        }));
        assert!(set.is_err(), "{name} was set to {value}");
    }
}

#[test]
fn a_form_is_found_by_its_button() {
    let page = Page::parse(
        "<form action=/a><button>Send</button></form><form action=/b><button><svg></svg> Close it</button></form>",
    );
    assert_eq!(page.form_with("Close it").action, "/b");
}
