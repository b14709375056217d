/** Keys and certificates for the tests of TLS, made by openssl. */
import { execFileSync, spawnSync } from 'node:child_process'
import { join } from 'node:path'

/** Why certificates cannot be made here, or null. */
export function certificatesRefused(): string | null {
  return spawnSync('openssl', ['version']).status === 0 ? null : 'openssl is not installed'
}

/** Writes server.pem, client.pem and their keys to `folder`. Each signs itself. */
export function makeCertificates(folder: string): void {
  for (const [name, subject] of [['server', 'localhost'], ['client', 'a client']]) {
    execFileSync('openssl', [
      'req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-days', '2', '-subj', `/CN=${subject}`,
      '-addext', 'subjectAltName=DNS:localhost,IP:127.0.0.1', '-keyout', join(folder, `${name}-key.pem`), '-out', join(folder, `${name}.pem`),
    ], { stdio: 'ignore' })
  }
}
