//! How a page looks to those who see badly, have large thumbs or a small phone: axe, the size of targets, nothing beside
//! the window. Each check is tried on a page that fails it.

use e2e::Browser;
use serde_json::{Value, json};

/// Everything that is wrong with the page that is shown, in words; empty when nothing is.
pub async fn faults(browser: &Browser) -> Vec<String> {
    let mut faults = axe(browser).await;
    faults.extend(small_targets(browser).await);
    faults.extend(overflow(browser).await);
    faults
}

/// What axe calls serious or critical.
async fn axe(browser: &Browser) -> Vec<String> {
    if browser.script("return typeof window.axe", vec![]).await != "object" {
        let peers = std::env::var_os("DOMOVOI_PEERS").expect("DOMOVOI_PEERS names no folder: run .ci/run");
        let path = std::path::Path::new(&peers).join("node_modules/axe-core/axe.min.js");
        let source = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        browser.script(&source, vec![]).await;
    }
    let run = "const done = arguments[arguments.length - 1];
        axe.run(document, { resultTypes: ['violations'] }).then(
            r => done(r.violations.map(v => [v.impact, v.id, v.help, v.nodes.map(n => n.html + ' — ' + n.failureSummary)])),
            e => done([['critical', 'axe', String(e), []]]))";
    let violations = browser.script_that_calls_back(run, vec![]).await;
    let serious = |violation: &&Value| matches!(violation[0].as_str(), Some("serious" | "critical"));
    violations
        .as_array()
        .expect("violations")
        .iter()
        .filter(serious)
        .map(|violation| format!("axe {}: {} {}", violation[1], violation[2], violation[3]))
        .collect()
}

/// Whatever is pressed has at least 44 by 44 px, but for links within a sentence.
async fn small_targets(browser: &Browser) -> Vec<String> {
    let look = "const small = [];
        for (const e of document.querySelectorAll('a[href], button, input:not([type=hidden]), select, textarea, summary, [role=button]')) {
            const style = getComputedStyle(e);
            if (style.visibility === 'hidden' || style.display === 'none' || e.closest('[hidden]')) continue;
            if (e.tagName === 'A' && style.display === 'inline' && e.closest('p, li, td, dd, label')) continue;
            let box = e.getBoundingClientRect();
            if (box.width === 0 || box.height === 0 || e.matches('.skip')) continue;
            if (e.matches('input[type=checkbox], input[type=radio]')) {
                const label = e.closest('label') || (e.id && document.querySelector('label[for=\"' + CSS.escape(e.id) + '\"]'));
                if (label) box = label.getBoundingClientRect();
            }
            if (box.width < 43.5 || box.height < 43.5)
                small.push(Math.round(box.width) + '×' + Math.round(box.height) + ' ' + e.outerHTML.slice(0, 160));
        }
        return small";
    let small = browser.script(look, vec![]).await;
    small.as_array().expect("targets").iter().map(|target| format!("too small to press: {target}")).collect()
}

/// Nothing has to be looked for beside the window.
async fn overflow(browser: &Browser) -> Vec<String> {
    let look = "const wide = document.documentElement.scrollWidth, seen = document.documentElement.clientWidth;
        if (wide <= seen + 1) return null;
        const out = [...document.querySelectorAll('body *')].filter(e => e.getBoundingClientRect().right > seen + 1);
        return wide + ' px wide in a window of ' + seen + ': ' + out.slice(-3).map(e => e.outerHTML.slice(0, 120)).join(' | ')";
    let wide = browser.script(look, vec![]).await;
    wide.as_str().map(|what| format!("beside the window: {what}")).into_iter().collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs chromium and axe-core"]
async fn each_check_finds_what_it_is_for() {
    let browser = Browser::start(e2e::BrowserSettings { size: Some((390, 844)), ..Default::default() }).await;
    let page =
        "<!doctype html><html lang=ru><meta name=viewport content='width=device-width'><title>t</title><main><h1>h</h1>
        <p style='color:#bbb;background:#fff'>бледно</p><button style='width:20px;height:20px'>x</button>
        <div style='width:900px'>широко</div></main></html>";
    browser.open("about:blank").await;
    browser.script("document.open(); document.write(arguments[0]); document.close()", vec![json!(page)]).await;
    let faults = faults(&browser).await;
    for word in ["color-contrast", "too small to press: \"20×20", "beside the window"] {
        assert!(faults.iter().any(|fault| fault.contains(word)), "{word}: {faults:#?}");
    }
    browser.quit().await;
}
