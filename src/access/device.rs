//! What a session knows of its browser: two words from fixed lists. Nothing else about the browser is stored.

use crate::text::Lang;
use crate::text_enum;

text_enum! {
    /// A browser, by its name.
    pub enum Browser {
        Edge = "edge",
        Opera = "opera",
        Samsung = "samsung",
        Firefox = "firefox",
        Chrome = "chrome",
        Safari = "safari",
        /// any other, or the browser does not say
        Other = "other",
    }
}

text_enum! {
    /// The system on which a browser runs.
    pub enum System {
        Iphone = "iphone",
        Ipad = "ipad",
        Android = "android",
        ChromeOs = "chromeos",
        Windows = "windows",
        MacOs = "macos",
        Linux = "linux",
        /// any other, or the browser does not say
        Other = "other",
    }
}

/// What each browser calls itself in `User-Agent`, the particular before the general: most also say that they are
/// Safari.
const BROWSERS: [(&str, Browser); 11] = [
    ("Edg/", Browser::Edge),
    ("EdgA/", Browser::Edge),
    ("EdgiOS/", Browser::Edge),
    ("OPR/", Browser::Opera),
    ("SamsungBrowser/", Browser::Samsung),
    ("Firefox/", Browser::Firefox),
    ("FxiOS/", Browser::Firefox),
    ("Chrome/", Browser::Chrome),
    ("CriOS/", Browser::Chrome),
    ("Chromium/", Browser::Chrome),
    ("Safari/", Browser::Safari),
];
const SYSTEMS: [(&str, System); 9] = [
    ("iPhone", System::Iphone),
    ("iPod", System::Iphone),
    ("iPad", System::Ipad),
    ("Android", System::Android),
    ("CrOS", System::ChromeOs),
    ("Windows", System::Windows),
    ("Macintosh", System::MacOs),
    ("Linux", System::Linux),
    ("X11", System::Linux),
];

/// A browser on a system.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Device {
    /// which browser
    pub browser: Browser,
    /// on which system
    pub system: System,
}

impl Device {
    /// Reads the `User-Agent` header; what is not in the lists is `Other`.
    pub fn from_user_agent(user_agent: &str) -> Device {
        let browser = BROWSERS.iter().find(|(sign, _)| user_agent.contains(sign));
        let system = SYSTEMS.iter().find(|(sign, _)| user_agent.contains(sign));
        Device {
            browser: browser.map_or(Browser::Other, |(_, browser)| *browser),
            system: system.map_or(System::Other, |(_, system)| *system),
        }
    }

    /// As people read it: Firefox on Windows.
    pub fn shown(self, lang: Lang) -> String {
        let browser = lang.t_of("browser", self.browser.as_str());
        lang.t2("device", "browser", browser, "system", lang.t_of("system", self.system.as_str()))
    }

    /// The two words as they are stored, with a space between.
    pub fn to_stored(self) -> String {
        format!("{} {}", self.browser.as_str(), self.system.as_str())
    }

    /// Reads the stored words; a word that only a later version knows is `Other`.
    pub fn stored(words: &str) -> Device {
        let (browser, system) = words.split_once(' ').unwrap_or((words, ""));
        Device { browser: browser.parse().unwrap_or(Browser::Other), system: system.parse().unwrap_or(System::Other) }
    }
}

#[cfg(test)]
mod tests {
    use super::{Browser, Device, System};

    #[test]
    fn browsers_are_known_by_what_they_say() {
        for (says, browser, system) in [
            (
                "Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:140.0) Gecko/20100101 Firefox/140.0",
                Browser::Firefox,
                System::Windows,
            ),
            (
                "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36 Edg/140.0.0.0",
                Browser::Edge,
                System::Windows,
            ),
            (
                "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.5 Safari/605.1.15",
                Browser::Safari,
                System::MacOs,
            ),
            (
                "Mozilla/5.0 (iPhone; CPU iPhone OS 18_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) CriOS/140.0.0.0 Mobile/15E148 Safari/604.1",
                Browser::Chrome,
                System::Iphone,
            ),
            (
                "Mozilla/5.0 (Linux; Android 10; K) AppleWebKit/537.36 (KHTML, like Gecko) SamsungBrowser/28.0 Chrome/130.0.0.0 Mobile Safari/537.36",
                Browser::Samsung,
                System::Android,
            ),
            ("Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0", Browser::Firefox, System::Linux),
            ("curl/8.14.1", Browser::Other, System::Other),
            ("", Browser::Other, System::Other),
        ] {
            let device = Device::from_user_agent(says);
            assert_eq!(device, Device { browser, system }, "{says}");
            assert_eq!(Device::stored(&device.to_stored()), device);
        }
        assert_eq!(Device::stored("netscape beos"), Device::from_user_agent(""));
    }
}
