/** The page: what there is, a form to add to it, and the history of what is clicked. It talks to /api like any other client. */
export const page = `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>Posts on ParqueDB</title>
<style>
  body { font: 16px/1.5 system-ui, sans-serif; max-width: 42rem; margin: 2rem auto; padding: 0 1rem; color: #1c2024; background: #fcfcfd }
  form { display: flex; gap: .5rem; margin: 1rem 0 } input { flex: 1; font: inherit; padding: .4rem .6rem; border: 1px solid #b9bbc6; border-radius: .4rem }
  button { font: inherit; padding: .4rem .9rem; border: 0; border-radius: .4rem; background: #3358d4; color: white; cursor: pointer }
  li { cursor: pointer; margin: .25rem 0 } li span { color: #60646c } pre { background: #f0f0f3; padding: 1rem; border-radius: .4rem; white-space: pre-wrap } #error { color: #c62a2f }
</style>
<h1>Posts</h1>
<form id="add"><label hidden for="title">Title</label><input id="title" placeholder="A new post" required><button>Add</button></form>
<p id="error" role="alert"></p>
<ul id="posts"></ul>
<pre id="history" hidden></pre>
<script type="module">
  const key = sessionStorage.key ?? (sessionStorage.key = prompt('The key (dev-key, as long as you have not changed it)') ?? '')
  let token
  async function api(method, path, body) {
    const headers = { authorization: 'Bearer ' + key, 'content-type': 'application/json', ...(token && { 'parquedb-token': token }) }
    const response = await fetch('/api' + path, { method, headers, ...(body && { body: JSON.stringify(body) }) })
    token = response.headers.get('parquedb-token') ?? token
    const answer = await response.json()
    document.querySelector('#error').textContent = response.ok ? '' : answer.detail ?? answer.title
    if (!response.ok) throw new Error(answer.title)
    return answer
  }
  async function show() {
    const { items } = await api('GET', '/collections/posts/entities?limit=50&sort=' + encodeURIComponent('{"createdAt":-1}'))
    document.querySelector('#posts').replaceChildren(...items.map((post) => {
      const item = document.createElement('li')
      item.textContent = post.title + ' '
      const likes = document.createElement('span')
      likes.textContent = post.likes + ' likes, version ' + post.version
      item.append(likes)
      item.onclick = () => like(post.$id.slice('posts/'.length))
      return item
    }))
  }
  async function like(id) {
    await api('PATCH', '/collections/posts/entities/' + encodeURIComponent(id), { $inc: { likes: 1 } })
    const { items } = await api('GET', '/collections/posts/entities/' + encodeURIComponent(id) + '/history')
    const history = document.querySelector('#history')
    history.hidden = false
    history.textContent = items.map(({ seq, op, version, actor }) => [seq, op, 'version ' + version, 'by ' + actor].join('  ')).join('\\n')
    await show()
  }
  document.querySelector('#add').onsubmit = async (event) => {
    event.preventDefault()
    const title = document.querySelector('#title')
    await api('POST', '/collections/posts/entities', { title: title.value, likes: 0 })
    title.value = ''
    await show()
  }
  await show()
</script>
</html>`
