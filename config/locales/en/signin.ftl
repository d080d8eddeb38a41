# Signing in: rules of passwords (rule-<code>), factors, errors. Keys and variables as in ru; a test compares them.

# Rules for passwords and PINs. The codes come from hub/src/signin/factors; $number is how many characters or digits are wanted.
rule-short = At least { $number } characters: a few words with spaces will do
rule-long = At most { $number } characters
rule-common = This is among the first that anybody tries: a favourite word, a row of keys, or these with digits
rule-guessable = This is easy to guess: add words that have nothing to do with one another
rule-about-you = There is hardly anything in it but your name, phone, e-mail or the home's name
rule-digits = Exactly { $number } digits
rule-repeated = The digits repeat
rule-sequence = The digits follow one another
rule-year = This looks like a year
rule-date = This looks like a date, and your birthday is no secret
rule-keypad = This is a pattern on the keys
