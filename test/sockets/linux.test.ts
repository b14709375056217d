/** Blocking calls, kernel descriptors beside sockets, threads and the example, with the Linux kernel as the peer. */
import { closeSync, mkdtempSync, openSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { expect, it } from 'vitest'
import {
  accept, AF_INET, bind, close, connect, EPOLL_CTL_ADD, epoll_create1, epoll_ctl, EPOLLET, EPOLLIN, EPOLLOUT, getsockopt, init, listen,
  MSG_WAITALL, poll, POLLIN, POLLNVAL, recv, select, send, setsockopt, shutdown, SHUT_WR, SO_KEEPALIVE, SO_LINGER, SOCK_STREAM, socket,
  SOL_SOCKET, SOL_TCP, TCP_CONGESTION, TCP_INFO, TCP_MAXSEG, TCP_NODELAY, type PollFd, type Stack,
} from '../../lib/sockets/index.js'
import { EventFd, TimerFd } from '../../native/index.js'
import { compiled, PEER_ADDRESS, startProcess, TAS_ADDRESS } from '../../tools/netlab/index.js'
import { describeHosts, type Hosts } from '../e2e/harness.js'
import { sha256 } from '../e2e/random.js'
import { codeOf, told, watching } from './simhosts.js'

const MiB = 1 << 20

describeHosts('sockets beside Linux', {}, (hosts) => {
  let stack: Stack | null = null
  /** This thread's stack on the service under test. */
  const own = (): Stack => (stack ??= init({ socket: hosts().service.socket }))

  /** Linux listens, we connect. */
  async function connectToLinux({ peer }: Hosts): Promise<{ fd: number; remote: number }> {
    const port = await peer.call('listen', 0)
    const fd = socket(AF_INET, SOCK_STREAM, 0, own())
    connect(fd, { address: PEER_ADDRESS, port })
    return { fd, remote: await peer.call('accept', port) }
  }

  it('connect, send, recv, shutdown: blocking -> a mebibyte each way, then the end', async () => {
    const { peer } = hosts()
    const { fd, remote } = await connectToLinux(hosts())
    const bytes = new Uint8Array(MiB).map((_, i) => (i * 7) & 0xff)
    const reading = peer.call('read', remote, MiB)
    expect(send(fd, bytes)).toBe(MiB)
    const received = await reading
    expect(Buffer.compare(received, bytes)).toBe(0)
    // A short request: the channel to the peer needs this thread for a long one, and it is going to block.
    const sending = peer.call('sendRandom', remote, MiB, 3)
    const back = new Uint8Array(MiB)
    expect(recv(fd, back, MSG_WAITALL)).toBe(MiB)
    expect(sha256(back)).toBe(await sending)
    shutdown(fd, SHUT_WR)
    await peer.call('ended', remote)
    const ended = peer.call('end', remote)
    expect(recv(fd, back)).toBe(0)
    await ended
    close(fd)
  })

  it('accept: blocking -> a connection of Linux; refused -> ECONNREFUSED', async () => {
    const { peer } = hosts()
    const listener = socket(AF_INET, SOCK_STREAM, 0, own())
    bind(listener, { address: TAS_ADDRESS, port: 7100 })
    listen(listener, 5)
    const connecting = peer.call('connect', TAS_ADDRESS, 7100)
    const from = { address: '', port: 0 }
    const fd = accept(listener, from)
    expect(from.address).toBe(PEER_ADDRESS)
    const remote = await connecting
    await peer.call('reset', remote)
    expect(codeOf(() => recv(fd, new Uint8Array(1)))).toBe('ECONNRESET')
    close(fd)
    close(listener)
    expect(codeOf(() => connect(socket(AF_INET, SOCK_STREAM, 0, own()), { address: PEER_ADDRESS, port: 9 }))).toBe('ECONNREFUSED')
  })

  it('options of a connection -> TCP_INFO, TCP_CONGESTION, TCP_MAXSEG as they are; SO_LINGER waits', async () => {
    const { peer } = hosts()
    const { fd, remote } = await connectToLinux(hosts())
    setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, 1)
    setsockopt(fd, SOL_TCP, TCP_NODELAY, 0)
    setsockopt(fd, SOL_TCP, TCP_CONGESTION, 'reno')
    expect(codeOf(() => setsockopt(fd, SOL_TCP, TCP_CONGESTION, 'module'))).toBe('ENOENT')
    expect(getsockopt(fd, SOL_TCP, TCP_CONGESTION)).toBe('reno')
    send(fd, new Uint8Array(10_000))
    await peer.call('read', remote, 10_000)
    const info = getsockopt(fd, SOL_TCP, TCP_INFO)
    expect(info).toMatchObject({ tcpi_state: 1, tcpi_bytes_sent: 10_000, tcpi_snd_mss: getsockopt(fd, SOL_TCP, TCP_MAXSEG) })
    setsockopt(fd, SOL_SOCKET, SO_LINGER, { l_onoff: 1, l_linger: 10 })
    send(fd, new Uint8Array(1000))
    close(fd)
    expect((await peer.call('read', remote, 1000)).length).toBe(1000)
    await peer.call('end', remote)
  })

  it('epoll: an eventfd, a timer and a socket in one set -> each wakes a blocked wait', async () => {
    const { peer } = hosts()
    const { fd, remote } = await connectToLinux(hosts())
    const [bell, timer] = [new EventFd(), new TimerFd()]
    const epfd = watching(own(), EPOLLIN, fd, bell.fd, timer.fd)
    expect(told(epfd)).toEqual([])
    bell.wake()
    expect(told(epfd, -1)).toEqual([{ events: EPOLLIN, data: bell.fd }])
    bell.drain()
    timer.arm(30_000)
    expect(told(epfd, -1)).toEqual([{ events: EPOLLIN, data: timer.fd }])
    timer.drain()
    const writing = peer.call('write', remote, new Uint8Array(3))
    expect(told(epfd, -1)).toEqual([{ events: EPOLLIN, data: fd }])
    bell.wake()
    expect(new Set(told(epfd).map(({ data }) => data))).toEqual(new Set([fd, bell.fd]))
    await writing
    for (const closing of [bell, timer]) closing.close()
    close(epfd)
    close(fd)
  })

  it('epoll: a set within a set, a descriptor of the kernel in the inner one -> wakes the outer', () => {
    const timer = new TimerFd()
    const inner = epoll_create1(0, own())
    const outer = watching(own(), EPOLLIN, inner)
    epoll_ctl(inner, EPOLL_CTL_ADD, timer.fd, { events: EPOLLIN | EPOLLET, data: 1 })
    expect(told(outer)).toEqual([])
    timer.arm(20_000)
    expect(told(outer, -1)).toEqual([{ events: EPOLLIN, data: inner }])
    expect(told(inner)).toEqual([{ events: EPOLLIN, data: 1 }])
    expect(told(outer)).toEqual([])
    for (const fd of [inner, outer]) close(fd)
    timer.close()
  })

  it('epoll: a regular file, a closed descriptor of the kernel -> EPERM, EBADF', () => {
    const folder = mkdtempSync(join(tmpdir(), 'tas-sockets-'))
    const file = openSync(join(folder, 'file'), 'w')
    const epfd = epoll_create1(0, own())
    try {
      expect(codeOf(() => epoll_ctl(epfd, EPOLL_CTL_ADD, file, { events: EPOLLIN, data: 0 }))).toBe('EPERM')
      expect(codeOf(() => epoll_ctl(epfd, EPOLL_CTL_ADD, 99_999, { events: EPOLLIN, data: 0 }))).toBe('EBADF')
    } finally {
      close(epfd)
      closeSync(file)
      rmSync(folder, { recursive: true })
    }
  })

  it('poll and select: descriptors of both kinds -> what each is ready for', async () => {
    const { fd } = await connectToLinux(hosts())
    const [bell, timer] = [new EventFd(), new TimerFd()]
    const fds: PollFd[] = [fd, bell.fd, 99_999].map((each) => ({ fd: each, events: POLLIN, revents: 0 }))
    bell.wake()
    expect(poll(fds, -1)).toBe(2)
    expect(fds.map(({ revents }) => revents)).toEqual([0, POLLIN, POLLNVAL])
    timer.arm(30_000)
    const readFds = new Set([fd, timer.fd])
    expect(select(fd + 1, readFds, null, null)).toBe(1)
    expect([...readFds]).toEqual([timer.fd])
    bell.close()
    timer.close()
    close(fd)
  })

  it('epoll: EPOLLOUT of a connection that Linux does not read -> cleared, back when it does', async () => {
    const { peer } = hosts()
    const { fd, remote } = await connectToLinux(hosts())
    const epfd = watching(own(), EPOLLOUT, fd)
    let sent = 0
    const chunk = new Uint8Array(MiB)
    for (let events = told(epfd, 200); events.length > 0; events = told(epfd, 200)) sent += send(fd, chunk, 0x40)
    const reading = peer.call('readHash', remote, sent)
    expect(told(epfd, -1)).toEqual([{ events: EPOLLOUT, data: fd }])
    await reading
    close(epfd)
    close(fd)
  })

  it('threads with SO_REUSEPORT, each blocking in accept, a profiler\'s signals all the time -> connections are shared out, no EINTR', async () => {
    const { peer, service, cleanup } = hosts()
    const profiles = mkdtempSync(join(tmpdir(), 'tas-profiles-'))
    cleanup.add(profiles, () => rmSync(profiles, { recursive: true, force: true }))
    const profiler = ['--cpu-prof', '--cpu-prof-interval=500', `--cpu-prof-dir=${profiles}`]
    const program = startProcess('threads', {
      command: process.execPath, args: [...profiler, compiled('test/sockets/threads.js'), '7200', '2'], env: service.env,
    }, cleanup)
    await program.line(/ready/)
    const answers = new Set<string>()
    for (let i = 0; i < 64 && answers.size < 2; i++) {
      const remote = await peer.call('connect', TAS_ADDRESS, 7200)
      await peer.call('write', remote, new Uint8Array(1))
      answers.add(Buffer.from(await peer.call('read', remote, 1)).toString())
      await peer.call('end', remote)
    }
    expect([...answers].sort()).toEqual(['1', '2'])
    await program.stop()
  })

  it('threads that share an application, connections going round between them -> every byte echoed, in order', async () => {
    const { peer, service, cleanup } = hosts()
    const program = startProcess('sharing', {
      command: process.execPath, args: [compiled('test/sockets/sharing.js'), '7201', '2'], env: service.env,
    }, cleanup)
    await program.line(/ready/)
    const remotes: number[] = []
    for (let i = 0; i < 4; i++) remotes.push(await peer.call('connect', TAS_ADDRESS, 7201))
    for (let round = 0; round < 12; round++) {
      for (const remote of remotes) {
        const bytes = Uint8Array.from({ length: 20_000 }, (_, i) => (i * 13 + (i >> 8) + round + remote) & 0xff)
        await peer.call('write', remote, bytes)
        expect(Buffer.compare(await peer.call('read', remote, bytes.length), bytes), `round ${round}`).toBe(0)
      }
    }
    for (const remote of remotes) await peer.call('end', remote)
    await program.stop()
  })

  it('the thread that made a shared application ends -> what it has open is closed, what it has given goes on', async () => {
    const { peer, service, cleanup } = hosts()
    const program = startProcess('outliving', {
      command: process.execPath, args: [compiled('test/sockets/outliving.js'), '7202'], env: service.env,
    }, cleanup)
    await program.line(/listening/)
    const given = await peer.call('connect', TAS_ADDRESS, 7202)
    await peer.call('write', given, Uint8Array.of(1))
    const kept = await peer.call('connect', TAS_ADDRESS, 7202)
    expect(Buffer.from(await peer.call('read', kept, 4)).toString()).toBe('kept')
    await peer.call('ended', kept)
    await program.line(/taken/)
    await peer.call('write', given, Uint8Array.of(2))
    expect([...await peer.call('read', given, 2)]).toEqual([1, 2])
    await peer.call('end', given)
    await peer.call('ended', given)
    await program.stop()
  })

  it('a program sends, closes and ends -> Linux gets everything', async () => {
    const { peer, service, cleanup } = hosts()
    const port = await peer.call('listen', 0)
    const program = startProcess('leaving', {
      command: process.execPath, args: [compiled('test/sockets/leaving.js'), PEER_ADDRESS, String(port), '300000'], env: service.env,
    }, cleanup)
    const remote = await peer.call('accept', port)
    expect((await peer.call('read', remote, 300_000)).length).toBe(300_000)
    await peer.call('end', remote)
    expect(await peer.call('closed', remote)).toBe('')
    await program.success()
  })

  it('examples/sockets-echo -> echoes to several connections at once, and large amounts; sleeps when nothing is to do', async () => {
    const { peer, service, cleanup } = hosts()
    const program = startProcess('sockets-echo', {
      command: process.execPath, args: [compiled('examples/sockets-echo.js'), '7300'], env: service.env,
    }, cleanup)
    await program.line(/listening on port 7300/)
    const remotes = await Promise.all([1, 2, 3].map(() => peer.call('connect', TAS_ADDRESS, 7300)))
    for (const [i, remote] of remotes.entries()) await peer.call('write', remote, Uint8Array.of(i))
    for (const [i, remote] of remotes.entries()) expect([...await peer.call('read', remote, 1)]).toEqual([i])
    const [sent, back] = await Promise.all([
      peer.call('sendRandom', remotes[0], 4 * MiB, 9), peer.call('readHash', remotes[0], 4 * MiB),
    ])
    expect(back).toBe(sent)
    await peer.call('end', remotes[1])
    await peer.call('ended', remotes[1])
    // Blocked in epoll_wait: a thread that span would be running or runnable each time.
    const states: string[] = []
    for (let look = 0; look < 20; look++) {
      await sleep(10)
      states.push(/\) (\S)/.exec(readFileSync(`/proc/${program.pid}/stat`, 'latin1'))?.[1] ?? '')
    }
    expect(states.filter((state) => state !== 'S').length).toBeLessThan(5)
    await program.stop()
  })
})
