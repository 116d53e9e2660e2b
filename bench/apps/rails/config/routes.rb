Rails.application.routes.draw do
  root "fruits#index"
  resources :fruits do
    member { get :label; post :picture; get :thumb }
  end
  resources :orders, only: :create
  get "/up", to: proc { [200, {}, ["up"]] }
  get "/crash", to: "shop#crash"
  get "/about", to: "shop#about"
  get "/clean", to: "shop#clean"
  get "/login", to: "shop#login"
  get "/zone/*name", to: "shop#zone"
  get "/cached", to: "shop#cached"
  get "/stream", to: "shop#stream"
end
