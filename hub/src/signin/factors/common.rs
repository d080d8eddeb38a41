//! What everybody tries first. Not a copy of a leaked list but the rule by which such passwords are made: a favourite
//! word, a walk over the keyboard, a run of digits, a repeated character, and at most three of these together; in either
//! layout, in any case, with digits for letters.
//!
//! The leaked lists in English are in `zxcvbn`, which judges beside this; Russian is what it lacks.

use super::keyboard;

/// Favourite words, lower case, ё as е. Names of people are here too: they are on every list.
const WORDS: &str = "\
пароль пароли парольчик мойпароль секрет секретный доступ ключ вход логин админ администратор пользователь хозяин гость \
привет приветик здравствуй пока друг друзья подруга братан брат сестра мама папа мамочка папочка бабушка дедушка сын \
дочь дочка маму папу семья любовь люблю любимая любимый люблютебя ятебялюблю яхочу моялюбовь счастье радость жизнь мечта солнце \
солнышко зайка зайчик котик котенок кошка собака рыбка рыжик барсик мурка мурзик шарик тузик тигр медведь волк дракон \
демон ангел чертенок дьявол король королева принцесса принц царь бог господи вася петя коля саша маша даша наташа \
настя аня оля таня лена ира катя света юля галя вова дима миша сережа андрей алексей александр александра анастасия \
наталья татьяна екатерина елена ольга ирина светлана марина мария анна виктор виктория владимир вячеслав дмитрий денис \
евгений иван игорь кирилл константин ксения кристина максим михаил никита николай олег павел роман руслан сергей \
станислав степан тимур юрий ярослав людмила любовь надежда вера валентина галина дарья диана евгения полина софия \
москва питер россия российскаяфедерация ссср русь казань самара омск томск сочи крым сибирь украина беларусь спартак \
зенит цска динамо локомотив футбол хоккей чемпион победа вднх машина автомобиль бумер жигули лада мерседес компьютер \
интернет телефон телевизор яндекс вконтакте одноклассники госуслуги сбербанк почта работа деньги доллар рубль банк \
школа институт студент учитель лето зима весна осень январь февраль март апрель май июнь июль август сентябрь октябрь \
ноябрь декабрь понедельник вторник среда четверг пятница суббота воскресенье один два три четыре пять шесть семь \
восемь девять десять дом домовой умныйдом квартира дача кухня счетчик ничего неважно незнаю нескажу забыл хрен блин \
козел дурак звезда космос гагарин пушкин молоко картошка водка пиво шоколад клубника малина ромашка роза береза \
password pass passwd passw passphrase secret letmein welcome login logon signin admin administrator root user guest \
owner master superuser default changeme change test testing temp demo hello hi iloveyou love lovely loveme mylove \
sunshine princess angel dragon monkey tiger shadow killer batman superman spiderman starwars pokemon naruto minecraft \
football baseball basketball hockey soccer liverpool chelsea arsenal spartak zenit michael jessica jordan daniel thomas \
andrew ashley charlie george maggie buster pepper cookie ginger summer winter spring autumn january february march \
april june july august september october november december monday tuesday wednesday thursday friday saturday sunday \
freedom whatever trustno nothing forever family friends mother father brother sister baby honey flower computer \
internet google yandex facebook vkontakte instagram telegram microsoft windows samsung iphone apple android xiaomi \
huawei nokia moscow russia vladimir dmitry sergey sergei natasha nastya marina maria anna olga elena tatiana irina \
svetlana katya masha dasha sasha alex aleksandr alexander maxim nikita ivan oleg igor roman denis kirill home house \
smarthome domovoi domovoy homeassistant zigbee mqtt raspberry raspberrypi orange banana qwe asd zxc qaz wsx edc abc \
abcd abcdef aaa xxx zzz one two three four five six seven eight nine ten parol privet lubov lyubov lublu solnishko \
solnce kotik zaika zaichik krasotka moskva rossiya kazan gosuslugi vkontakte";

/// Most pieces that still make a common password: «пароль»+«123»+«йцукен».
const PIECES_MAX: usize = 3;

/// So many digits are a PIN, a year, a date; more of them are a piece only if they run or repeat.
const DIGITS_MAX: usize = 6;

/// Whether this (NFC, lower case, ё as е) is one of those.
pub(super) fn is_common(folded: &str) -> bool {
    made_of_pieces(folded)
        || made_of_pieces(&keyboard::in_cyrillic(folded))
        || made_of_pieces(&keyboard::in_latin(folded))
}

/// `p@$$w0rd`: the substitutions that every guesser undoes.
pub(super) fn letters_for_digits(text: &str) -> String {
    text.chars().map(letter_for).collect()
}

fn letter_for(c: char) -> char {
    match c {
        '0' => 'o',
        '1' | '!' => 'i',
        '3' => 'e',
        '4' | '@' => 'a',
        '5' | '$' => 's',
        '7' => 't',
        c => c,
    }
}

fn made_of_pieces(text: &str) -> bool {
    let text: Vec<char> = text.chars().collect();
    // The fewest pieces with which each prefix can be covered.
    let mut fewest: Vec<Option<usize>> = vec![None; text.len() + 1];
    if let Some(first) = fewest.first_mut() {
        *first = Some(0);
    }
    for at in 0..text.len() {
        let Some(pieces) = fewest.get(at).copied().flatten().filter(|pieces| *pieces <= PIECES_MAX) else { continue };
        let rest = text.get(at..).unwrap_or_default();
        let mut reach = |length: usize, cost: usize| {
            if length > 0
                && let Some(slot) = fewest.get_mut(at + length)
            {
                *slot = Some(slot.map_or(pieces + cost, |known| known.min(pieces + cost)));
            }
        };
        if rest.first().is_some_and(|c| !c.is_alphanumeric()) {
            reach(1, 0);
        }
        let digits = rest.iter().take_while(|c| c.is_ascii_digit()).count();
        (1..=digits.min(DIGITS_MAX)).for_each(|length| reach(length, 1));
        let run = run(rest);
        (3..=run).for_each(|length| reach(length, 1));
        let walk = keyboard::walk(rest);
        (4..=walk).for_each(|length| reach(length, 1));
        for word in WORDS.split(' ') {
            if starts_with(rest, word) {
                reach(word.chars().count(), 1);
            }
        }
    }
    !text.is_empty() && fewest.last().copied().flatten().is_some_and(|pieces| pieces <= PIECES_MAX)
}

fn starts_with(text: &[char], word: &str) -> bool {
    let mut text = text.iter();
    word.chars().all(|c| text.next().is_some_and(|typed| *typed == c || letter_for(*typed) == c))
}

/// How many characters from the start repeat, or follow one another up or down: `aaaa`, `абвг`, `4321`.
fn run(text: &[char]) -> usize {
    let step = |pair: &[char]| match pair {
        [a, b] => Some(i64::from(u32::from(*b)) - i64::from(u32::from(*a))).filter(|step| step.abs() <= 1),
        _ => None,
    };
    let mut steps = text.windows(2).map(step);
    match steps.next() {
        Some(Some(first)) => 2 + steps.take_while(|step| *step == Some(first)).count(),
        _ => usize::from(!text.is_empty()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_everybody_tries_is_common() {
        for password in [
            "пароль",
            "пароль123",
            "йцукен",
            "йцукенгшщзхъ",
            "gfhjkm123",
            "ghbdtn",
            "qwertyuiop",
            "1qaz2wsx3edc",
            "password",
            "p@$$w0rd2026",
            "letmein!!!",
            "111111111111111",
            "abcdefghijklmnop",
            "абвгдежзий",
            "87654321",
            "люблю маму",
            "iloveyou",
            "любовь-любовь-любовь",
            "умныйдом2026",
            "k.,jdm",
            "domovoi domovoi",
        ] {
            assert!(is_common(password), "{password}");
        }
    }

    #[test]
    fn what_a_person_made_up_is_not() {
        for password in
            ["верный конь батарейка скрепка", "tr0ub4dor horse staple", "синий чайник поёт по средам", "x7!kQz#p2v", ""]
        {
            assert!(!is_common(password), "{password}");
        }
    }
}
