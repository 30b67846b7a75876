// What a file is, by its first bytes. What a client says of it is believed only where nothing contradicts it: a page that calls itself a
// picture is the oldest way to run a script in somebody else's browser.

import { InvalidInputError, MediaTypeError } from '../../errors.ts'

/** As many bytes as the library wants to see: https://github.com/sindresorhus/file-type */
export const headBytes = 4_100

const typeName = '[a-z0-9][a-z0-9!#$&^_.+-]{0,126}'
/** RFC 6838 §4.2, with a charset and no other parameter. */
const declaredPattern = new RegExp(`^${typeName}/${typeName}(; ?charset=[a-z0-9-]{1,40})?$`)

/** @throws {InvalidInputError} for a text that is no media type. */
export function checkedContentType(declared: string): string {
  const folded = typeof declared === 'string' ? declared.toLowerCase() : ''
  if (declaredPattern.test(folded)) return folded
  throw new InvalidInputError(`Not a content type: ${JSON.stringify(String(declared).slice(0, 80))}.`)
}

/**
 * The content type of a file that begins so.
 *
 * @param declared what the client says; undefined when it says nothing.
 * @throws {MediaTypeError} when the bytes are something else than was said.
 */
export async function judgedContentType(head: Uint8Array, declared: string | undefined): Promise<string> {
  const { fileTypeFromBuffer, supportedMimeTypes } = await import('file-type')
  const seen = (await fileTypeFromBuffer(head))?.mime
  if (declared === undefined) return seen ?? (head.includes(0) ? 'application/octet-stream' : 'text/plain')
  const [essence = ''] = declared.split(';')
  // Served as a download, and run by nobody.
  if (essence === 'application/octet-stream') return declared
  if (seen === undefined) {
    const isKnownByItsBytes = supportedMimeTypes.has(essence) && !textual(essence)
    if (!isKnownByItsBytes && !(textual(essence) && head.includes(0))) return declared
  } else if (same(seen, essence) || contains(seen, essence)) return declared
  throw new MediaTypeError(`The file was said to be ${essence} and is ${seen ?? 'something else'}.`, {
    details: { declared: essence, seen },
  })
}

/** No sign at the beginning tells these apart. */
function textual(essence: string): boolean {
  return (
    essence.startsWith('text/') ||
    /^application\/(json|javascript|xml|yaml|rtf|.*\+(json|xml))$/.test(essence) ||
    essence === 'image/svg+xml'
  )
}

/** `audio/x-wav` and `audio/wav` are one. */
function same(seen: string, essence: string): boolean {
  const plain = (type: string): string => type.replace('/x-', '/').replace('/vnd.', '/')
  return plain(seen) === plain(essence)
}

/** Formats that are another format inside, when the beginning does not say which. */
function contains(seen: string, essence: string): boolean {
  switch (seen) {
    case 'application/zip':
      return /^application\/(vnd\.(openxmlformats-officedocument|oasis\.opendocument|ms-|android)|epub\+zip|java-archive|x-zip)/.test(
        essence,
      )
    case 'application/x-cfb':
      return /^application\/(msword|vnd\.ms-|x-msi)/.test(essence)
    case 'application/xml':
      return essence === 'text/xml' || essence.endsWith('+xml')
    case 'application/gzip':
      return essence === 'application/x-gzip' || essence.endsWith('+gzip')
    default:
      return false
  }
}
