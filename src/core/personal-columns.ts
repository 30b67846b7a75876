// Columns whose names say that people are in them. A name is a hint, no more: free text and JSON can hold anything.

/** One word of a name, or two that follow each other. */
const personalWords: ReadonlySet<string> = new Set(
  `email mail emails name names firstname lastname fullname surname nickname username login handle initials
   phone telephone tel mobile cell fax address addresses street city town zip zipcode postcode postal
   iban bic swift account accountno creditcard card cardnumber pan cvv cvc ssn passport vatid taxid nationalid idnumber license
   birth birthday birthdate birthplace dob age gender sex religion nationality salary
   ip ipaddress useragent latitude longitude lat lng geo location photo avatar picture signature
   password passwd pwd passphrase secret token apikey credential credentials otp pin
   contact contacts recipient sender person patient diagnosis`.split(/\s+/),
)

/** Types that hold neither names nor numbers of people: flags, moments at which something was done. */
const harmlessTypes = /^(boolean|interval|timestamp|time)/

/** Does the column look as if it held something of people? `name` looks so, whatever of. */
export function looksPersonal(column: string, type: string): boolean {
  if (harmlessTypes.test(type) && !/birth|dob/i.test(column)) return false
  const parts = column
    .replace(/([a-z0-9])([A-Z])/g, '$1_$2')
    .toLowerCase()
    .split(/[^\p{L}]+/u)
    .filter((part) => part !== '')
  // person_id refers to a person; what is of the person is in the other table.
  if (parts.at(-1) === 'id' && /^(uuid|bigint|integer|smallint)$/.test(type)) return false
  return parts.some((part, i) => personalWords.has(part) || personalWords.has(`${part}${parts[i + 1] ?? ''}`))
}
