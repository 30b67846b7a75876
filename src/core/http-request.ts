// A request as it came over the wire, free of any framework. Frameworks fold headers, join duplicates, decode paths and
// guess hosts, each in its own way; who is asking and for which tenant is decided on what was really sent.

/** One request. Every framework's adapter makes one of these; identity providers and hints read nothing else. */
export interface HttpRequest {
  /** Upper-case, e.g. `GET`. */
  readonly method: string
  /** The request target as it was sent: path and query, not decoded, not normalised. */
  readonly target: string
  /** Every header line, in order, duplicates included. Names are lower-case. */
  readonly headers: readonly HeaderLine[]
  /** Did it come from an address that the operator declared to be a proxy? Only then do X-Forwarded-* mean anything. */
  readonly throughTrustedProxy: boolean
  /** The address of the client: of the socket, or as the operator's own proxies tell it. For the audit log; nobody is let in by it. */
  readonly from?: string | undefined
  /** The route's pattern, as `/orders/:id`, where the framework knows it already. */
  readonly route?: string | undefined
  /** The raw body. Present only when an identity provider asked for it. */
  readonly body?: Uint8Array | undefined
}

export type HeaderLine = readonly [name: string, value: string]

/** All values of a header. `name` is lower-case. More than one is for the caller to judge: mostly an attack. */
export function headerValues(request: Pick<HttpRequest, 'headers'>, name: string): readonly string[] {
  const values: string[] = []
  for (const [key, value] of request.headers) if (key === name) values.push(value)
  return values
}

/** Node's flat `rawHeaders` (name, value, name, value) as lines. */
export function headerLines(rawHeaders: readonly string[]): readonly HeaderLine[] {
  const lines: HeaderLine[] = []
  for (let index = 0; index + 1 < rawHeaders.length; index += 2) {
    lines.push([(rawHeaders[index] as string).toLowerCase(), rawHeaders[index + 1] as string])
  }
  return lines
}

/** The target's path, as it was sent: everything before the query. */
export function rawPath(target: string): string {
  const end = target.indexOf('?')
  return end === -1 ? target : target.slice(0, end)
}

/**
 * Is the path in the one form that every router reads alike? Then it starts with one slash and has no escapes, no empty or
 * dot segments, no parameters, backslashes or fragments.
 */
export function isPlainPath(path: string): boolean {
  return /^\/(?:[A-Za-z0-9\-._~!$&'()*+,=:@]+(?:\/|$))*$/.test(path) && !/\/\.{1,2}(?:\/|$)/.test(path)
}
