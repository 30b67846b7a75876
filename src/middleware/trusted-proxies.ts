// Whose X-Forwarded-Host we believe: the addresses that the operator lists, and nobody else.

import { BlockList, isIP } from 'node:net'
import { type HttpRequest, headerValues } from '../core/http-request.ts'
import { ConfigurationError } from '../errors.ts'

/**
 * A test for the address of the socket. `proxies` are addresses or networks: `10.0.0.7`, `10.0.0.0/8`, `fd00::/8`.
 *
 * @throws {ConfigurationError} for anything else.
 */
export function trustedProxyTest(proxies: readonly string[]): (remoteAddress: string | undefined) => boolean {
  const trusted = new BlockList()
  for (const proxy of proxies) {
    const [address = '', bits, ...more] = proxy.split('/')
    const version = isIP(address)
    const prefix = bits === undefined ? (version === 4 ? 32 : 128) : Number(bits)
    if (version === 0 || more.length > 0 || !Number.isInteger(prefix) || prefix < 1 || prefix > (version === 4 ? 32 : 128)) {
      throw new ConfigurationError(`${JSON.stringify(proxy)} is not the address or network of a proxy.`)
    }
    trusted.addSubnet(address, prefix, version === 4 ? 'ipv4' : 'ipv6')
  }
  return function isTrusted(remoteAddress) {
    if (remoteAddress === undefined || proxies.length === 0) return false
    // A socket that listens on both families shows IPv4 peers as ::ffff:10.0.0.7.
    const address = remoteAddress.replace(/^::ffff:(?=\d+\.)/i, '')
    const version = isIP(address)
    return version !== 0 && trusted.check(address, version === 4 ? 'ipv4' : 'ipv6')
  }
}

/**
 * The client's address: that of the socket, unless a trusted proxy tells another. Each proxy appends whom it was called by to
 * X-Forwarded-For, so that what stands behind the last one that we trust is what that one saw; all before it anybody may have written.
 */
export function clientAddress(
  request: Pick<HttpRequest, 'headers'>,
  remoteAddress: string | undefined,
  isTrusted: (address: string | undefined) => boolean,
): string | undefined {
  const told = headerValues(request, 'x-forwarded-for').flatMap((line) => line.split(',').map((part) => part.trim()))
  let address = remoteAddress
  while (isTrusted(address) && told.length > 0) {
    const before = told.pop()!
    if (isIP(before) === 0) break
    address = before
  }
  return address?.replace(/^::ffff:(?=\d+\.)/i, '')
}
