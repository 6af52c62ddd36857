/* Passkeys: the one script. It adds to pages that already say what to do without it; plain ES5 for old phones. */
(function () {
  'use strict';

  function each(selector, work) {
    Array.prototype.forEach.call(document.querySelectorAll(selector), work);
  }

  function toBytes(text) {
    var plain = atob(text.replace(/-/g, '+').replace(/_/g, '/'));
    var bytes = new Uint8Array(plain.length);
    for (var i = 0; i < plain.length; i += 1) { bytes[i] = plain.charCodeAt(i); }
    return bytes.buffer;
  }

  function toText(buffer) {
    var bytes = new Uint8Array(buffer);
    var plain = '';
    for (var i = 0; i < bytes.length; i += 1) { plain += String.fromCharCode(bytes[i]); }
    return btoa(plain).replace(/\+/g, '-').replace(/\//g, '_').replace(/=+$/, '');
  }

  function say(form, text) {
    var place = form.querySelector('[data-passkey-status]');
    if (place) { place.textContent = text; place.hidden = !text; }
  }

  function value(form, name) {
    var field = form.querySelector('input[name="' + name + '"]');
    return field ? field.value : '';
  }

  function post(form, address, body, done) {
    var request = new XMLHttpRequest();
    body.csrf = value(form, 'csrf');
    request.open('POST', address);
    request.setRequestHeader('Content-Type', 'application/json');
    request.onload = function () {
      var answer = null;
      try { answer = JSON.parse(request.responseText); } catch (ignored) { answer = null; }
      if (request.status === 200 && answer) { done(answer); return; }
      busy(form, false);
      say(form, (answer && answer.message) || form.getAttribute('data-failed'));
    };
    request.onerror = function () { busy(form, false); say(form, form.getAttribute('data-failed')); };
    request.send(JSON.stringify(body));
  }

  function busy(form, on) {
    var button = form.querySelector('button');
    if (button) { button.disabled = on; }
  }

  function stopped(form, quiet) {
    return function (error) {
      busy(form, false);
      if (quiet) { return; }
      var known = error && error.name === 'InvalidStateError' && form.getAttribute('data-known');
      say(form, known || form.getAttribute('data-cancelled'));
    };
  }

  function withBytes(options) {
    options.challenge = toBytes(options.challenge);
    if (options.user) { options.user.id = toBytes(options.user.id); }
    ['excludeCredentials', 'allowCredentials'].forEach(function (name) {
      (options[name] || []).forEach(function (item) { item.id = toBytes(item.id); });
    });
    return options;
  }

  function plain(credential) {
    var response = credential.response;
    var out = { clientDataJSON: toText(response.clientDataJSON) };
    if (response.attestationObject) {
      out.attestationObject = toText(response.attestationObject);
    } else {
      out.authenticatorData = toText(response.authenticatorData);
      out.signature = toText(response.signature);
      out.userHandle = response.userHandle ? toText(response.userHandle) : null;
    }
    return { id: credential.id, rawId: toText(credential.rawId), type: credential.type, response: out, extensions: {} };
  }

  function finish(form, ceremony) {
    return function (credential) {
      var body = { ceremony: ceremony, credential: plain(credential) };
      var back = value(form, 'return_to');
      if (back) { body.return_to = back; }
      post(form, form.getAttribute('data-finish'), body, function (answer) {
        window.location.assign(answer.location);
      });
    };
  }

  function register(form) {
    say(form, '');
    busy(form, true);
    post(form, form.getAttribute('data-options'), {}, function (answer) {
      navigator.credentials.create({ publicKey: withBytes(answer.publicKey) })
        .then(finish(form, answer.ceremony), stopped(form, false));
    });
  }

  var waiting = null;

  function signIn(form, conditional) {
    if (waiting) { waiting.abort(); waiting = null; }
    if (!conditional) { say(form, ''); busy(form, true); }
    post(form, form.getAttribute('data-options'), {}, function (answer) {
      var request = { publicKey: withBytes(answer.publicKey) };
      if (conditional) {
        request.mediation = 'conditional';
        if (window.AbortController) { waiting = new AbortController(); request.signal = waiting.signal; }
      }
      navigator.credentials.get(request).then(finish(form, answer.ceremony), stopped(form, conditional));
    });
  }

  /* A document is signed by an ordinary form: the passkey's answer fills its fields and goes on as it is. */
  function sign(form) {
    say(form, '');
    busy(form, true);
    var options = {
      challenge: toBytes(form.getAttribute('data-challenge')),
      rpId: form.getAttribute('data-rp-id'),
      allowCredentials: [{ type: 'public-key', id: toBytes(form.getAttribute('data-credential')) }],
      userVerification: 'required',
      timeout: 240000
    };
    navigator.credentials.get({ publicKey: options }).then(function (credential) {
      var parts = {
        credential_id: credential.rawId,
        client_data_json: credential.response.clientDataJSON,
        authenticator_data: credential.response.authenticatorData,
        signature: credential.response.signature
      };
      Object.keys(parts).forEach(function (name) {
        form.querySelector('input[name="' + name + '"]').value = toText(parts[name]);
      });
      form.submit();
    }, stopped(form, false));
  }

  each('[data-print]', function (button) {
    button.hidden = false;
    button.addEventListener('click', function () { window.print(); });
  });

  if (!window.PublicKeyCredential || !navigator.credentials) { return; }
  var acts = { register: register, 'sign-in': function (form) { signIn(form, false); }, sign: sign };
  each('[data-passkey-missing]', function (note) { note.hidden = true; });
  each('form[data-passkey]', function (form) {
    form.hidden = false;
    form.addEventListener('submit', function (event) {
      event.preventDefault();
      acts[form.getAttribute('data-passkey')](form);
    });
  });
  var form = document.querySelector('form[data-passkey="sign-in"]');
  var ask = window.PublicKeyCredential.isConditionalMediationAvailable;
  if (form && ask) {
    ask.call(window.PublicKeyCredential).then(function (available) {
      if (available) { signIn(form, true); }
    });
  }
}());
