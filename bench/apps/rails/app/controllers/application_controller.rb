class ApplicationController < ActionController::Base
  around_action do |_, action|
    tag = params[:locale] || request.headers["Accept-Language"].to_s[/\A[a-z]{2}/]
    I18n.with_locale(I18n.locale_available?(tag.to_s) ? tag : I18n.default_locale, &action)
  end
end
