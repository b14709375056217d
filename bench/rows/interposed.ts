/** Unmodified Node programs, as they are and by interposition on TAS, a service or their own (docs/interpose.md). */
import type { ServerName } from '../contenders.js'
import type { NativeLoad } from '../loads/native.js'
import { figures, type Scenario } from './scenario.js'

const CONNECTIONS = 64
const ALL: readonly ServerName[] = ['tas', 'tasEmbedded', 'nodeNet']
const HTTP = 'node:http hello, 64 connections'
const NET = 'node:net echo of 64 B, 64 connections'
const TLS = 'node:tls echo of 64 B, 64 connections'
const REDIS = 'ioredis, pipelines of 100'
const CONNECT = 'node:net: open, one request, close; 16 at a time'
const ECHO: NativeLoad = { kind: 'native', options: { mode: 'echo', connections: CONNECTIONS, size: 64 } }

/** In the order of the table. Bun runs the same program where it can. */
export const INTERPOSED: readonly Scenario[] = [
  {
    name: 'http', servers: [...ALL, 'bun'], program: 'http', needs: ['wrk'],
    load: { kind: 'wrk', scheme: 'http', connections: CONNECTIONS },
    rows: [
      figures.rate('http.rate', HTTP), figures.p99('http.p99', HTTP), figures.cpu('http.cpu', HTTP),
    ],
  },
  {
    name: 'http-onecpu', servers: [...ALL, 'bun'], program: 'http', needs: ['wrk'], hasOneCpu: true,
    load: { kind: 'wrk', scheme: 'http', connections: CONNECTIONS },
    rows: [figures.rate('http-onecpu.rate', `${HTTP}, all of the server on one CPU`)],
  },
  {
    name: 'net', servers: ALL, program: 'net', load: ECHO,
    rows: [figures.rate('net.rate', NET), figures.p99('net.p99', NET), figures.cpu('net.cpu', NET)],
  },
  {
    name: 'tls', servers: ALL, program: 'tls', needs: ['wrk', 'openssl'],
    load: { kind: 'wrk', scheme: 'https', connections: CONNECTIONS, isEcho: true },
    rows: [figures.rate('tls.rate', TLS), figures.cpu('tls.cpu', TLS)],
  },
  {
    name: 'redis', servers: ALL, program: 'redis-client', needs: ['redis-server'], load: { kind: 'redis' },
    rows: [figures.rate('redis.rate', REDIS, 'commands/s'), figures.cpu('redis.cpu', REDIS, 'us/command')],
  },
  {
    name: 'net-connect', servers: ALL, program: 'net', load: { kind: 'native', options: { mode: 'connect', connections: 16, size: 64 } },
    rows: [figures.rate('net-connect.rate', CONNECT, 'connections/s'), figures.cpu('net-connect.cpu', CONNECT, 'us/connection')],
  },
]
